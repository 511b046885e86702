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
  wait_for:
    description:
      - Asks until O(node) has V(asked) to join, or until it is V(online), and fails when O(wait_seconds)
        are over, saying how the node is.
      - A coordinator that does not answer is asked again; a missing program or a wrong option fails at once.
    type: str
    choices: [asked, online]
  wait_seconds:
    description: How long O(wait_for) waits, counted by the clock and not in questions.
    type: int
    default: 120
attributes:
  check_mode:
    support: full
    description: It only reads.
"""

EXAMPLES = r"""
- name: Wait until this server is heard
  h8lio.fleet.node_info:
    node: "{{ inventory_hostname }}"
    wait_for: online
    wait_seconds: 60
  delegate_to: localhost
"""

RETURN = r"""
nodes:
  description: The nodes, in the form that docs/json.md describes; empty when there is no such node.
  type: list
  elements: dict
  returned: always
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctl, H8lctlError, argument_spec
from ansible_collections.h8lio.fleet.plugins.module_utils.waiting import reached, wait, why_not_yet


def read(ctl, name, inventory):
    """The nodes that were asked for."""
    nodes = [node for node in ctl.nodes() if name in (None, node["name"])]
    if inventory:
        nodes = [ctl.ask("node", "show", node["id"]) for node in nodes]
    return nodes


def wait_and_read(ctl, params):
    """The node once it is as it shall be."""
    name, wanted = params["node"], params["wait_for"]
    nodes, failure = wait(
        lambda left: read(ctl.within(left), name, False),
        lambda nodes: reached(wanted, nodes),
        params["wait_seconds"],
        time.monotonic,
        time.sleep,
    )
    if failure or not reached(wanted, nodes):
        why = failure or why_not_yet(name, nodes, was_decommissioned(ctl, name))
        state = {"asked": "has not asked to join", "online": "is not online"}[wanted]
        raise H8lctlError("%s %s after %d s. %s" % (name, state, params["wait_seconds"], why))
    return read(ctl, name, True) if params["inventory"] else nodes


def was_decommissioned(ctl, name):
    """Whether the name was a node's that is none any more."""
    return any(node["name"] == name for node in ctl.nodes(everybody=True))


def main():
    spec = argument_spec()
    spec.update(
        node=dict(type="str"),
        inventory=dict(type="bool", default=False),
        wait_for=dict(type="str", choices=["asked", "online"]),
        wait_seconds=dict(type="int", default=120),
    )
    module = AnsibleModule(
        argument_spec=spec,
        supports_check_mode=True,
        required_by=dict(wait_for=["node"]),
    )
    params = module.params
    try:
        ctl = H8lctl.of(params)
        if params["wait_for"]:
            nodes = wait_and_read(ctl, params)
        else:
            nodes = read(ctl, params["node"], params["inventory"])
        module.exit_json(changed=False, nodes=nodes)
    except H8lctlError as e:
        module.fail_json(msg=str(e))


if __name__ == "__main__":
    main()
