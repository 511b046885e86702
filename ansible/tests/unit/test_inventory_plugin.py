"""The fleet as Ansible's inventory."""

import json

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


def read(fleet, ansible, text=FILE, **options):
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


def test_a_coordinator_that_does_not_answer_is_an_error_and_no_empty_fleet(fleet, ansible):
    fleet.change(down=True)
    told = read(fleet, ansible, text="plugin: h8lio.fleet.nodes\n")
    assert "no coordinator answers" in told
