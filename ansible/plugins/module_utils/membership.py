"""What has to be done to make a server a member, or no member. Decides only; knows no Ansible."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

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
