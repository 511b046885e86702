"""How the distribution's own patching is taken from it and given back. Decides only."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

# What Debian and Ubuntu start package work with.
UNITS = ["apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"]

# States that `systemctl enable` and `disable` move between; others (static, masked, generated) are
# somebody's decision that a disable would not change.
SWITCHABLE = ("enabled", "disabled")


def parse_show(text):
    """Units from the output of `systemctl show -p Id,UnitFileState,ActiveState UNIT...`.

    Units that do not exist have no UnitFileState and are left out.
    """
    units = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id") and values.get("UnitFileState"):
            active = values.get("ActiveState") in ("active", "activating", "reloading")
            units[values["Id"]] = {"file": values["UnitFileState"], "active": active}
    return units


def take(units):
    """The commands that stop these units for good."""
    return [
        ["disable", "--now", name]
        for name, state in sorted(units.items())
        if state["file"] == "enabled" or (state["active"] and state["file"] in SWITCHABLE)
    ]


def give_back(recorded, units):
    """The commands that make units again what was recorded of them.

    A unit that is gone since, or that somebody masked, is left as it is.
    """
    commands = []
    for name, was in sorted(recorded.items()):
        now = units.get(name)
        if now is None or now["file"] not in SWITCHABLE:
            continue
        if was["file"] in SWITCHABLE and was["file"] != now["file"]:
            commands.append(["enable" if was["file"] == "enabled" else "disable", name])
        if was["active"] != now["active"]:
            commands.append(["start" if was["active"] else "stop", name])
    return commands
