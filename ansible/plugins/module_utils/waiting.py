"""Waits until a node is as it shall be, or a time is over. Knows no Ansible and reads no clock itself."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.h8lio.fleet.plugins.module_utils.h8lctl import H8lctlError

# Seconds between two questions.
PAUSE = 1


def reached(wanted, nodes):
    """Whether the node has asked to join, or is online."""
    if wanted == "asked":
        return bool(nodes)
    return [node["availability"] for node in nodes] == ["Online"]


def why_not_yet(name, nodes, gone):
    """How a node is that is not yet as it shall be, and what to do, for a person."""
    if nodes:
        node = nodes[0]
        state = ", ".join(filter(None, (node["admission"], node["availability"])))
        return "It is %s: %s; h8lctl node doctor %s" % (state, node.get("availabilityReason") or "no reason known", name)
    if gone:
        return (
            "It was decommissioned. A server that still has the identity of then is no member: take h8lio off it "
            "(h8lio.fleet.uninstall) and roll it out again"
        )
    return "It has not asked to join; on the server: journalctl -u h8lio-agent"


def wait(ask, is_enough, seconds, now, sleep):
    """Asks until what is answered is enough, and returns the last answer and the last failure.

    `ask` gets the seconds that are left. A question is asked at least once. One that fails is asked
    again, because a coordinator may be starting anew, unless asking again cannot help: that is raised.
    """
    end = now() + seconds
    while True:
        answer, failure = None, None
        try:
            answer = ask(max(end - now(), PAUSE))
        except H8lctlError as e:
            if not e.may_pass:
                raise
            failure = e
        if failure is None and is_enough(answer):
            return answer, None
        left = end - now()
        if left <= 0:
            return answer, failure
        sleep(min(PAUSE, left))
