"""h8lctl as a function: arguments in, JSON out, its own words when it fails.

Knows no Ansible, so that modules and the inventory plugin share it.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import copy
import json
import subprocess

# What h8lctl's exit codes mean is documented with it (docs/h8lctl.md).
NOT_FOUND = 3
NO_ANSWER = 5
# 1 is also how a coordinator says that it cannot do it now.
MAY_PASS = (1, NO_ANSWER)


def argument_spec():
    """The options of the documentation fragment."""
    return dict(
        h8lctl=dict(type="str", default="h8lctl"),
        context_file=dict(type="path"),
        context=dict(type="str"),
        timeout=dict(type="str", default="30s"),
    )


class H8lctlError(Exception):
    """h8lctl said no; the text is for a person, the code for a program."""

    def __init__(self, message, code=None):
        super(H8lctlError, self).__init__(message)
        self.code = code

    @property
    def may_pass(self):
        """Whether asking again can help. A wrong option and a missing program stay what they are."""
        return self.code in MAY_PASS


class H8lctl:
    """One operator's view of one fleet."""

    def __init__(self, program="h8lctl", context_file=None, context=None, timeout="30s"):
        self.command = [program, "-o", "json", "--timeout", timeout]
        if context_file:
            self.command += ["--context-file", context_file]
        if context:
            self.command += ["--context", context]
        self.seconds = None

    @classmethod
    def of(cls, options):
        """From a dictionary that has the options of the fragment."""
        names = ("context_file", "context", "timeout")
        return cls(options["h8lctl"], **dict((n, options[n]) for n in names))

    def within(self, seconds):
        """The same view, of which each question ends after so many seconds."""
        view = copy.copy(self)
        view.seconds = seconds
        return view

    def ask(self, *words):
        """Runs a command and returns what it printed, as data."""
        command = self.command + list(words)
        what = "%s %s" % (self.command[0], " ".join(words[:2]))
        try:
            # No shell, no terminal: nothing in a name is ever more than a name, and nothing asks.
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
                timeout=self.seconds,
            )
        except subprocess.TimeoutExpired:
            raise H8lctlError("%s: no answer in time" % what, NO_ANSWER)
        except OSError as e:
            raise H8lctlError("cannot run %s: %s; install the package h8lctl where this runs" % (what, e))
        said = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode != 0:
            raise H8lctlError("%s: %s" % (what, said or "exit code %d" % done.returncode), done.returncode)
        try:
            return json.loads(done.stdout.decode("utf-8"))
        except ValueError as e:
            raise H8lctlError("%s printed no JSON (%s); is it h8lctl?" % (what, e))

    def nodes(self, everybody=False):
        """The nodes, decommissioned ones only when everybody is asked for."""
        return self.ask("node", "list", *(["--all"] if everybody else []))

    def node(self, name):
        """The node of this name, or None. A decommissioned one is none: its name is free."""
        for node in self.nodes():
            if node["name"] == name:
                return node
        return None

    def claims(self, node):
        """What a server said about itself when it asked to join, or None when that is long ago."""
        actor = "node/%s" % node["id"]
        for entry in reversed(self.ask("audit", "list", "--limit", "1000")):
            if entry["actor"] == actor and entry["action"] == "node.enroll":
                return json.loads(entry["request"]).get("claims")
        return None

    @staticmethod
    def consent(reason, ticket=None):
        """The arguments of a change that nobody is asked about again."""
        words = ["--reason", reason, "--yes"]
        return words + (["--ticket", ticket] if ticket else [])
