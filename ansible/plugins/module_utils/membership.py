"""What has to be done to make a server a member, or no member. Decides only; knows no Ansible."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json

EXPECTABLE = ("serial", "mac", "hostname")


def differences(expect, claims):
    """How a server's claims differ from what is expected of it, one phrase each.

    Compared as the coordinator does: without regard to case; of MAC addresses, one is enough.
    """
    said = {
        "serial": [claims.get("serial") or ""],
        "mac": claims.get("macs") or [],
        "hostname": [claims.get("hostname") or ""],
    }
    found = []
    for what in EXPECTABLE:
        wanted = expect.get(what)
        if wanted and wanted.lower() not in [value.lower() for value in said[what]]:
            found.append("expected %s %s, the server says %s" % (what, wanted, ", ".join(said[what]) or "nothing"))
    return found


def unused_tokens(tokens, name):
    """Ids of tokens for a node of this name that somebody could still use."""
    return [
        token["id"]
        for token in tokens
        if token.get("nodeName") == name
        and not token.get("revokedAt")
        and len(token["usedBy"]) < token["maxUses"]
    ]


def why_not_approved(node, expect, claims, expect_nothing=False):
    """Why a node must not be approved, or None when it may be.

    A node of which nothing is expected could be anybody: only who says so approves it.
    """
    if node is None:
        return "no such node; it appears when its agent has asked to join"
    restriction = node.get("restriction")
    if restriction:
        return "it is %s (%s); a person has to look at it" % (restriction["kind"], restriction["reason"])
    wanted = dict((k, v) for k, v in expect.items() if v)
    if not wanted:
        return None if expect_nothing else "nothing is expected of it; say its serial, mac or hostname"
    if claims is None:
        return "what it claimed is no longer among the last 1000 audit entries; a person has to compare"
    differs = differences(wanted, claims)
    return "; ".join(differs) if differs else None


def parse_identity(text):
    """Id, name and fleet from the agent's identity.json; empty ones when there is no such file.

    Raises ValueError, which never quotes the file: it has a private key.
    """
    if text is None:
        return dict(id="", name="", fleet="")
    try:
        found = json.loads(text)
        if found["format"] != 1:
            raise ValueError("it was written by a newer agent")
        return dict(id=found["nodeId"], name=found["nodeName"], fleet=found["fleet"])
    except (KeyError, TypeError) as e:
        raise ValueError("it is damaged (%s)" % type(e).__name__)


def to_decommission(nodes, name, own_id):
    """The node whose membership a server's end ends, or None when it has ended.

    `own_id` is what the server's identity says, empty when it has none, None when nobody looked.
    Raises ValueError when name and id are not those of one node: the membership of another server
    would end, and cannot be given back.
    """
    called = [node for node in nodes if node["name"] == name]
    if own_id is None:
        return called[0] if called else None
    for node in nodes:
        if node["id"] == own_id and node["name"] != name:
            raise ValueError("the server is node %s (%s), not %s" % (node["name"], own_id, name))
    if not called:
        return None
    node = called[0]
    if node["id"] == own_id:
        return node
    if own_id:
        raise ValueError("node %s is another server: its id is %s, and this one was %s" % (name, node["id"], own_id))
    raise ValueError(
        "node %s (%s) is %s, %s, but the server has no identity, so it may be another one"
        % (name, node["id"], node["admission"], node["availability"])
    )
