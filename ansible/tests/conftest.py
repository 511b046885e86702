"""What the tests share: a stand-in for h8lctl that keeps a fleet in a file."""

import json
import os
import stat
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


class Fleet:
    """A fleet in a JSON file, and the program that answers for it as h8lctl would."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "fleet.json"
        self.program = folder / "h8lctl"
        self.write({"nodes": [], "tokens": [], "audit": [], "calls": []})
        stand_in = os.path.join(HERE, "stand_in_h8lctl.py")
        self.program.write_text("#!/bin/sh\nexec %s %s %s \"$@\"\n" % (sys.executable, stand_in, self.file))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def read(self):
        return json.loads(self.file.read_text())

    def write(self, state):
        self.file.write_text(json.dumps(state))

    def change(self, **what):
        state = self.read()
        state.update(what)
        self.write(state)

    def calls(self):
        """What was asked for that changes something, one line each."""
        return [" ".join(words) for words in self.read()["calls"]]


def node(name, **what):
    """A node as `h8lctl node list -o json` has it."""
    made = {
        "id": "id-" + name,
        "name": name,
        "admission": "Enrolled",
        "availability": "Online",
        "availabilityReason": "",
        "scheduling": "Active",
        "restriction": None,
        "roles": [],
        "topology": None,
        "labels": {},
        "clusters": {},
        "conditions": [],
        "agentVersion": "0.1.0",
    }
    made.update(what)
    return made


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


@pytest.fixture
def ansible(fleet):
    """Runs one of Ansible's programs against the fleet and returns what it printed."""

    def run(program, *arguments, **options):
        environment = dict(os.environ, PATH=str(fleet.folder) + ":" + os.environ["PATH"])
        environment["ANSIBLE_PYTHON_INTERPRETER"] = sys.executable
        if (fleet.folder / "ansible.cfg").exists():
            environment["ANSIBLE_CONFIG"] = str(fleet.folder / "ansible.cfg")
        done = subprocess.run(
            [program] + [str(a) for a in arguments],
            cwd=str(fleet.folder),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) == options.get("succeeds", True), done.stdout
        return done.stdout

    return run
