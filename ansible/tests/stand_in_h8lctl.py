"""Answers as h8lctl does, for the fleet in the file that is the first argument.

Knows the commands that the collection uses and refuses every other, so that a wrong argument is seen.
"""

import json
import sys


def fail(code, text):
    print("h8lctl: " + text, file=sys.stderr)
    sys.exit(code)


def options(words):
    """Options with their values, and what is left."""
    flags = ("--all", "--yes", "--auto-approve")
    found, rest = {}, []
    words = list(words)
    while words:
        word = words.pop(0)
        if word in flags:
            found[word] = True
        elif word.startswith("-"):
            found[word] = words.pop(0)
        else:
            rest.append(word)
    return found, rest


def changing(state, options, what):
    if not (options.get("--reason") and options.get("--yes")):
        fail(2, "a change needs --reason and --yes")
    state["calls"].append([what])


def find(state, name):
    for node in state["nodes"]:
        if name in (node["name"], node["id"]):
            return node
    return fail(3, "no such node: " + name)


def token_create(state, o):
    changing(state, o, "token create " + " ".join("%s=%s" % (k, v) for k, v in sorted(o.items()) if k not in ("-o", "--timeout")))
    number = len(state["tokens"]) + 1
    token = {"id": "t%d" % number, "nodeName": o["--name"], "usedBy": [], "maxUses": int(o["--uses"])}
    state["tokens"].append(token)
    return {"token": "h8lio1.secret-%d" % number, "id": token["id"], "expiresAt": "2026-01-01T00:00:00Z"}


def token_revoke(state, o, name):
    changing(state, o, "token revoke " + name)
    for token in state["tokens"]:
        if token["id"] == name:
            token["revokedAt"] = "2026-01-01T00:00:00Z"
            return token
    return fail(3, "no such token")


def node_change(state, o, verb, name):
    node = find(state, name)
    changing(state, o, "node %s %s" % (verb, node["name"]))
    node["admission"] = {"approve": "Enrolled", "decommission": "Decommissioned"}[verb]
    return node


def answer(state, words):
    o, rest = options(words)
    if o.get("-o") != "json" or not o.get("--timeout"):
        fail(2, "-o json and --timeout are missing")
    if rest == ["node", "list"]:
        return [n for n in state["nodes"] if o.get("--all") or n["admission"] != "Decommissioned"]
    if rest[:2] == ["node", "show"]:
        return dict(find(state, rest[2]), inventory=state.get("inventory", {}))
    if rest[:2] in (["node", "approve"], ["node", "decommission"]):
        return node_change(state, o, rest[1], rest[2])
    if rest == ["token", "list"]:
        return state["tokens"]
    if rest == ["token", "create"]:
        return token_create(state, o)
    if rest[:2] == ["token", "revoke"]:
        return token_revoke(state, o, rest[2])
    if rest == ["audit", "list"]:
        return state["audit"]
    return fail(2, "unknown command: " + " ".join(rest))


def main():
    with open(sys.argv[1]) as f:
        state = json.load(f)
    if state.get("down_for"):
        state["down_for"] -= 1
        with open(sys.argv[1], "w") as f:
            json.dump(state, f)
        fail(5, "no coordinator answers")
    if state.get("down"):
        fail(5, "no coordinator answers")
    printed = json.dumps(answer(state, sys.argv[2:]))
    with open(sys.argv[1], "w") as f:
        json.dump(state, f)
    print(printed)


main()
