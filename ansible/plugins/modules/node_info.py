#!/usr/bin/python
"""What the coordinator knows of its nodes."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: node_info
short_description: Read nodes of an h8lio fleet
description:
  - Returns what C(h8lctl node list) knows, or C(h8lctl node show) for one node with its inventory.
  - Runs where h8lctl is, mostly delegated to the control node.
author: The h8lio authors
version_added: 0.1.0
extends_documentation_fragment: h8lio.fleet.h8lctl
options:
  node:
    description: Only this node.
    type: str
  inventory:
    description: With the inventory, one more question per node.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It only reads.
"""

EXAMPLES = r"""
- name: Wait until this server is heard
  h8lio.fleet.node_info:
    node: "{{ inventory_hostname }}"
  delegate_to: localhost
  register: seen
  until: seen.nodes | map(attribute='availability') | list == ['Online']
  retries: 60
  delay: 1
"""

RETURN = r"""
nodes:
  description: The nodes, in the form that docs/json.md describes; empty when there is no such node.
  type: list
  elements: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctl, H8lctlError, argument_spec


def read(ctl, name, inventory):
    """The nodes that were asked for."""
    nodes = [node for node in ctl.nodes() if name in (None, node["name"])]
    if inventory:
        nodes = [ctl.ask("node", "show", node["id"]) for node in nodes]
    return nodes


def main():
    spec = argument_spec()
    spec.update(node=dict(type="str"), inventory=dict(type="bool", default=False))
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    params = module.params
    try:
        nodes = read(H8lctl.of(params), params["node"], params["inventory"])
        module.exit_json(changed=False, nodes=nodes)
    except H8lctlError as e:
        module.fail_json(msg=str(e))


if __name__ == "__main__":
    main()
