#!/usr/bin/python
"""Makes a join token for one server, unless the server belongs to the fleet already."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: join_token
short_description: Make a join token for one server of an h8lio fleet
description:
  - Makes a token that one server can use once, and no other server when something is expected of it.
  - A node that exists already, enrolled or waiting, gets none and nothing changes.
  - Earlier tokens for the same node that nobody used are revoked, since their text is known to nobody
    who should have it.
  - Runs where h8lctl is, mostly delegated to the control node.
author: The h8lio authors
version_added: 0.1.0
extends_documentation_fragment: h8lio.fleet.h8lctl
options:
  node:
    description: Name that the node gets.
    type: str
    required: true
  state:
    description: V(absent) revokes tokens for the node that nobody used.
    type: str
    choices: [present, absent]
    default: present
  serial:
    description: DMI serial number that the server must have.
    type: str
  mac:
    description: MAC address that one of its interfaces must have.
    type: str
  hostname:
    description: Hostname that it must have.
    type: str
  auto_approve:
    description: Let in whoever has the token, although nothing is expected of it.
    type: bool
    default: false
  roles:
    description: What the server is for.
    type: list
    elements: str
    choices: [cloud, storage]
    default: []
  topology:
    description: Where it stands, as region/datacenter/zone/rack[/slot].
    type: str
  ttl:
    description: How long the token can be used.
    type: str
    default: 1h
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
    description: Says whether a token would be made; makes none.
"""

EXAMPLES = r"""
- name: Make a token for this server alone
  h8lio.fleet.join_token:
    node: "{{ inventory_hostname }}"
    serial: "{{ serial_from_the_delivery_note }}"
    roles: [storage]
    topology: eu/fra1/z1/r12
    reason: new OSD host
  delegate_to: localhost
  register: join
  no_log: true
"""

RETURN = r"""
token:
  description: The token; empty when none was made.
  type: str
  returned: always
id:
  description: The token's id.
  type: str
  returned: when one was made
revoked:
  description: Ids of tokens that were made useless.
  type: list
  elements: str
  returned: always
admission:
  description: The node's admission (V(Pending), V(Enrolled)), or empty when there is no such node.
  type: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctl, H8lctlError, argument_spec
from ansible_collections.h8lio.fleet.plugins.module_utils.membership import EXPECTABLE, unused_tokens


def create(ctl, params):
    """Asks for the token."""
    words = ["token", "create", "--uses", "1", "--name", params["node"], "--ttl", params["ttl"]]
    for what in EXPECTABLE + ("topology",):
        if params[what]:
            words += ["--" + what, params[what]]
    if params["roles"]:
        words += ["--roles", ",".join(params["roles"])]
    if params["auto_approve"]:
        words.append("--auto-approve")
    return ctl.ask(*(words + ctl.consent(params["reason"], params["ticket"])))


def apply(ctl, params, check_mode):
    """Does it, and returns the module's answer."""
    node = ctl.node(params["node"])
    answer = dict(token="", admission=node["admission"] if node else "")
    answer["revoked"] = unused_tokens(ctl.ask("token", "list"), params["node"])
    wanted = params["state"] == "present" and node is None
    answer["changed"] = wanted or bool(answer["revoked"])
    if check_mode:
        return answer
    for token in answer["revoked"]:
        ctl.ask("token", "revoke", token, *ctl.consent(params["reason"], params["ticket"]))
    if wanted:
        made = create(ctl, params)
        answer.update(token=made["token"], id=made["id"])
    return answer


def main():
    spec = argument_spec()
    spec.update(
        node=dict(type="str", required=True),
        state=dict(type="str", choices=["present", "absent"], default="present"),
        serial=dict(type="str"),
        mac=dict(type="str"),
        hostname=dict(type="str"),
        auto_approve=dict(type="bool", default=False),
        roles=dict(type="list", elements="str", choices=["cloud", "storage"], default=[]),
        topology=dict(type="str"),
        ttl=dict(type="str", default="1h"),
        reason=dict(type="str", required=True),
        ticket=dict(type="str"),
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    try:
        module.exit_json(**apply(H8lctl.of(module.params), module.params, module.check_mode))
    except H8lctlError as e:
        module.fail_json(msg=str(e))


if __name__ == "__main__":
    main()
