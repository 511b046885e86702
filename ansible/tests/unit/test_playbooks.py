"""What the playbooks make of an inventory, without a server."""

import json
import os

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(COLLECTION, "examples/inventory.yml")


def test_the_example_is_an_inventory_for_the_roll_out(ansible):
    listed = json.loads(ansible("ansible-inventory", "-i", EXAMPLE, "--list"))
    assert listed["h8lio_coordinators"]["hosts"] == ["c1.example.org"]
    assert listed["h8lio_nodes"]["hosts"] == ["s1.example.org", "s2.example.org"]
    told = ansible("ansible-playbook", "-i", EXAMPLE, "h8lio.fleet.rollout", "--list-hosts")
    assert all(name in told for name in ("c1.example.org", "s1.example.org", "s2.example.org"))


def test_a_roll_out_takes_as_many_servers_at_once_as_is_said(fleet, ansible):
    (fleet.folder / "hosts.ini").write_text("[h8lio_coordinators]\n[h8lio_nodes]\ns1.a\ns1.b\ns2.a\n")

    def servers(*words):
        """Runs into a name that two servers have, before any is touched."""
        arguments = ("-i", "hosts.ini", "-c", "local", "--check", "h8lio.fleet.rollout") + words
        told = ansible("ansible-playbook", *arguments, "--extra-vars", "ansible_become=false agent_node=s1", succeeds=False)
        return [name for name in ("s1.a", "s1.b", "s2.a") if "fatal: [%s]" % name in told]

    assert servers() == ["s1.a", "s1.b", "s2.a"]
    assert servers("--extra-vars", "rollout_serial=2") == ["s1.a", "s1.b"], "nobody comes after a batch that failed"


def test_the_readme_points_to_nothing_outside_the_collection():
    with open(os.path.join(COLLECTION, "README.md")) as f:
        text = f.read()
    targets = [part.split(")")[0] for part in text.split("](")[1:]]
    assert targets, "the readme has links"
    for target in targets:
        assert not target.startswith("..") and os.path.exists(os.path.join(COLLECTION, target)), target
