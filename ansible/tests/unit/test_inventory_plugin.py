"""The fleet as Ansible's inventory."""

import json

import pytest

from ansible_collections.h8lio.fleet.tests.conftest import node

FILE = """\
plugin: h8lio.fleet.nodes
network: 10.20.0.0/16
keyed_groups:
  - key: h8lio_labels.generation
    prefix: generation
"""

INTERFACES = [{"name": "eth0", "addresses": ["192.168.1.5/24", "fe80::1/64"]}, {"addresses": ["10.20.3.4/16"]}]


def plain(value):
    """Newer versions mark what came from outside when they print it."""
    return value.get("__ansible_unsafe", value) if isinstance(value, dict) else value


def read(fleet, ansible, text=FILE, strict=False, **options):
    # What roll-out-with-ansible.md asks for; without it Ansible goes on with what it could read.
    (fleet.folder / "ansible.cfg").write_text("[inventory]\nany_unparsed_is_failed = true\n" if strict else "")
    file = fleet.folder / "fleet.h8lio.yml"
    file.write_text(text)
    return ansible("ansible-inventory", "-i", file, "--list", **options)


def test_nodes_are_hosts_in_groups_by_role_place_and_state(fleet, ansible):
    place = {"region": "eu", "datacenter": "fra1", "zone": "z1", "rack": "r-12"}
    first = node("s1", roles=["storage"], topology=place, labels={"generation": "g9"})
    fleet.change(nodes=[first, node("s2", admission="Pending")], inventory={"interfaces": INTERFACES})
    listed = json.loads(read(fleet, ansible))
    for group in ("h8lio", "h8lio_online", "h8lio_role_storage", "h8lio_zone_z1", "h8lio_rack_r_12", "generation_g9"):
        assert listed[group]["hosts"] == ["s1"], group
    variables = listed["_meta"]["hostvars"]["s1"]
    assert plain(variables["ansible_host"]) == "10.20.3.4"
    assert plain(variables["h8lio_topology"]["rack"]) == "r-12"
    assert "s2" not in listed["_meta"]["hostvars"], "a node that waits is no host"


PLAY = """\
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - debug:
        msg: "{{ h8lio_conditions[0].message }} {{ h8lio_labels.a }} {{ composed }}"
"""


def test_what_an_agent_wrote_is_never_a_template(fleet, ansible):
    ran = fleet.folder / "ran"
    evil = "{{ lookup('pipe', 'touch %s') }}" % ran
    fleet.change(nodes=[node("s1", conditions=[{"message": evil}], labels={"a": evil})])
    inventory = fleet.folder / "fleet.h8lio.yml"
    composed = "compose:\n  composed: h8lio_conditions[0].message\n"
    grouped = "keyed_groups:\n  - key: h8lio_labels.a\n"
    inventory.write_text("plugin: h8lio.fleet.nodes\n" + composed + grouped)
    (fleet.folder / "play.yml").write_text(PLAY)
    told = ansible("ansible-playbook", "-i", inventory, "play.yml")
    assert told.count("lookup('pipe'") == 3, told
    assert not ran.exists(), "what the agent wrote ran on the control node"


@pytest.mark.parametrize(
    "name, why",
    [
        ("localhost", "node localhost is called as something else"),
        ("all", "node all is called as something else"),
        ("h8lio_online", "node h8lio_online is called as something else"),
        ("{{ 1 + 1 }}", "which is no node's name"),
        ("s1\n", "which is no node's name"),
        ("S1", "which is no node's name"),
    ],
)
def test_a_name_that_ansible_would_take_for_something_else_is_refused(fleet, ansible, name, why):
    fleet.change(nodes=[node(name)])
    assert why in " ".join(read(fleet, ansible, strict=True, succeeds=False).split())


def test_a_coordinator_that_does_not_answer_is_an_error_and_no_empty_fleet(fleet, ansible):
    fleet.change(down=True)
    told = read(fleet, ansible, text="plugin: h8lio.fleet.nodes\n", strict=True, succeeds=False)
    assert "no coordinator answers" in told
