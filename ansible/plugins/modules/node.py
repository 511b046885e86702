#!/usr/bin/python
"""Approves a node, or ends its membership."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: node
short_description: Approve or decommission a node of an h8lio fleet
description:
  - Approves a waiting node after comparing what the server claimed with what is expected of it.
  - Decommissions a node, which cannot be undone. The server is not touched.
  - Runs where h8lctl is, mostly delegated to the control node.
author: The h8lio authors
version_added: 0.1.0
extends_documentation_fragment: h8lio.fleet.h8lctl
options:
  node:
    description: Name of the node.
    type: str
    required: true
  state:
    description:
      - V(approved) fails for a node that is not there, is banned or in quarantine, or whose claims differ;
        it needs O(serial), O(mac) or O(hostname), unless O(expect_nothing) says otherwise.
      - V(decommissioned) changes nothing when there is no such node.
    type: str
    choices: [approved, decommissioned]
    required: true
  id:
    description:
      - The id that the server's own identity has (M(h8lio.fleet.identity_info)), for V(decommissioned).
        Only the node that has both O(node) and O(id) is decommissioned; when another has one of them, it fails.
      - Empty is a server without an identity. Then a node of this name may be another server, and it fails.
      - Without this option the name alone decides.
    type: str
  serial:
    description: DMI serial number that it must have claimed.
    type: str
  mac:
    description: MAC address that it must have claimed.
    type: str
  hostname:
    description: Hostname that it must have claimed.
    type: str
  expect_nothing:
    description: Approve whichever server waits under this name, with nothing to compare.
    type: bool
    default: false
  reason:
    description: Why, for the audit log.
    type: str
    required: true
  ticket:
    description: Ticket, for the audit log.
    type: str
attributes:
  check_mode:
    support: full
    description: Compares and says what would be done.
"""

EXAMPLES = r"""
- name: Approve the server that was delivered
  h8lio.fleet.node:
    node: s1
    state: approved
    serial: 7XK2F3
    reason: serial checked at the rack
  delegate_to: localhost
"""

RETURN = r"""
node:
  description: The node as it is now, as C(h8lctl node list) shows it; empty when there is none.
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import (
    NOT_FOUND,
    H8lctl,
    H8lctlError,
    argument_spec,
)
from ansible_collections.h8lio.fleet.plugins.module_utils.membership import (
    EXPECTABLE,
    to_decommission,
    why_not_approved,
)


def approve(ctl, params, check_mode):
    """Approves a node that waits."""
    node = ctl.node(params["node"])
    expect = dict((what, params[what]) for what in EXPECTABLE)
    enrolled = node is not None and node["admission"] == "Enrolled" and not node.get("restriction")
    if enrolled:
        return dict(changed=False, node=node)
    claims = ctl.claims(node) if node and any(expect.values()) else None
    why = why_not_approved(node, expect, claims, params["expect_nothing"])
    if why:
        raise H8lctlError("node %s is not approved: %s" % (params["node"], why))
    if not check_mode:
        node = ctl.ask("node", "approve", node["id"], *ctl.consent(params["reason"], params["ticket"]))
    return dict(changed=True, node=node)


def decommission(ctl, params, check_mode):
    """Ends a node's membership."""
    try:
        node = to_decommission(ctl.nodes(), params["node"], params["id"])
    except ValueError as e:
        advice = "compare, then h8lctl node decommission %s, or leave it as it is" % params["node"]
        raise H8lctlError("nothing is decommissioned: %s; %s" % (e, advice))
    if node is None:
        return dict(changed=False, node={})
    if not check_mode:
        try:
            node = ctl.ask("node", "decommission", node["id"], *ctl.consent(params["reason"], params["ticket"]))
        except H8lctlError as e:
            # Somebody else was faster, and it is as it shall be.
            if e.code != NOT_FOUND:
                raise
            return dict(changed=False, node={})
    return dict(changed=True, node=node)


def main():
    spec = argument_spec()
    spec.update(
        node=dict(type="str", required=True),
        state=dict(type="str", choices=["approved", "decommissioned"], required=True),
        id=dict(type="str"),
        serial=dict(type="str"),
        mac=dict(type="str"),
        hostname=dict(type="str"),
        expect_nothing=dict(type="bool", default=False),
        reason=dict(type="str", required=True),
        ticket=dict(type="str"),
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    do = approve if module.params["state"] == "approved" else decommission
    try:
        module.exit_json(**do(H8lctl.of(module.params), module.params, module.check_mode))
    except H8lctlError as e:
        module.fail_json(msg=str(e))


if __name__ == "__main__":
    main()
