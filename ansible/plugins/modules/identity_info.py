#!/usr/bin/python
"""Which node this server is, by its own identity."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: identity_info
short_description: Read which node of which h8lio fleet a server is
description:
  - Reads the identity that the agent keeps on the server. The key in it never leaves the server.
  - Runs on the server, as root, and needs neither the agent nor the coordinator.
author: The h8lio authors
version_added: 0.1.0
options:
  path:
    description: The agent's file.
    type: path
    default: /var/lib/h8lio/agent/identity.json
attributes:
  check_mode:
    support: full
    description: It only reads.
"""

EXAMPLES = r"""
- name: Look which node it is
  h8lio.fleet.identity_info:
  register: identity
"""

RETURN = r"""
id:
  description: The node's id, empty when the server is not enrolled.
  type: str
  returned: always
name:
  description: The node's name, empty when the server is not enrolled.
  type: str
  returned: always
fleet:
  description: The fleet's name, empty when the server is not enrolled.
  type: str
  returned: always
"""

import errno

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.membership import parse_identity


def read(path):
    """The file's text, or None when there is none."""
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8")
    except (IOError, OSError) as e:
        if e.errno == errno.ENOENT:
            return None
        raise


def main():
    module = AnsibleModule(
        argument_spec=dict(path=dict(type="path", default="/var/lib/h8lio/agent/identity.json")),
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        module.exit_json(changed=False, **parse_identity(read(path)))
    except (IOError, OSError, ValueError) as e:
        module.fail_json(msg="cannot tell which node this server is from %s: %s" % (path, e))


if __name__ == "__main__":
    main()
