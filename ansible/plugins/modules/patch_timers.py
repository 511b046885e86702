#!/usr/bin/python
"""Takes patching from the distribution's own timers, and gives it back as it was."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: patch_timers
short_description: Take patching from the distribution's timers, or give it back
description:
  - Records how C(apt-daily.timer), C(apt-daily-upgrade.timer) and C(unattended-upgrades.service) are,
    and disables them, so that two managers do not undo each other's work.
  - Gives them back exactly as recorded. What an administrator had switched off stays off.
  - The record is written before anything is changed and is removed after all is given back, so an
    interrupted run is repeated without a loss.
author: The h8lio authors
version_added: 0.1.0
options:
  state:
    description: V(taken) switches them off, V(returned) makes them again what they were.
    type: str
    choices: [taken, returned]
    required: true
  record:
    description: File on the server that remembers how they were.
    type: path
    default: /var/lib/h8lio/patch-timers.json
attributes:
  check_mode:
    support: full
    description: Says which commands would run.
"""

EXAMPLES = r"""
- name: Give the distribution its timers back
  h8lio.fleet.patch_timers:
    state: returned
"""

RETURN = r"""
commands:
  description: The systemctl commands that ran, or would.
  type: list
  elements: list
  returned: always
recorded:
  description: How the units were before they were taken.
  type: dict
  returned: always
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.h8lio.fleet.plugins.module_utils.timers import UNITS, give_back, parse_show, take


class Server:
    """The server's systemd and the record, as far as this module asks them."""

    def __init__(self, module):
        self.module = module
        self.record = module.params["record"]
        self.systemctl = module.get_bin_path("systemctl", required=True)

    def units(self):
        """How the units are; fails when systemd does not answer."""
        show = [self.systemctl, "show", "--property", "Id,UnitFileState,ActiveState"] + UNITS
        text = self.module.run_command(show, check_rc=True)[1]
        return parse_show(text)

    def run(self, commands):
        """Runs systemctl for each."""
        for words in commands:
            self.module.run_command([self.systemctl] + words, check_rc=True)

    def recorded(self):
        """What was recorded, or None."""
        if not os.path.exists(self.record):
            return None
        with open(self.record) as f:
            return json.load(f)

    def write(self, units):
        """Records, whole or not at all."""
        folder = os.path.dirname(self.record)
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o755)
        partial = self.record + ".partial"
        with open(partial, "w") as f:
            json.dump(units, f, indent=2, sort_keys=True)
            f.flush()
            os.fsync(f.fileno())
        os.rename(partial, self.record)

    def forget(self):
        """Removes the record."""
        os.remove(self.record)


def taken(server, check_mode):
    """Takes what is not taken yet. Units that came after the record was made join it."""
    recorded = server.recorded()
    units = server.units()
    remembered = dict(units, **(recorded or {}))
    commands = take(units)
    changed = bool(commands) or recorded is None
    if changed and not check_mode:
        server.write(remembered)
        server.run(commands)
    return dict(changed=changed, commands=commands, recorded=remembered)


def returned(server, check_mode):
    """Gives everything back that was recorded."""
    recorded = server.recorded()
    if recorded is None:
        return dict(changed=False, commands=[], recorded={})
    commands = give_back(recorded, server.units())
    if not check_mode:
        server.run(commands)
        server.forget()
    return dict(changed=True, commands=commands, recorded=recorded)


def main():
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["taken", "returned"], required=True),
            record=dict(type="path", default="/var/lib/h8lio/patch-timers.json"),
        ),
        supports_check_mode=True,
    )
    do = taken if module.params["state"] == "taken" else returned
    try:
        module.exit_json(**do(Server(module), module.check_mode))
    except (OSError, ValueError) as e:
        module.fail_json(msg="cannot use the record %s: %s" % (module.params["record"], e))


if __name__ == "__main__":
    main()
