"""Parts of the role agent against a fleet, on the control node itself."""

import json

import pytest

from ansible_collections.h8lio.fleet.tests.conftest import node

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - module_defaults:
        group/h8lio.fleet.h8lctl: {}
      block:
        - include_role: {name: h8lio.fleet.agent, tasks_from: %s}
"""


def part(fleet, ansible, name, *settings, hosts="s1,", dry=False, **options):
    """Runs a file of tasks of the role for a host s1, whose files are in the test's folder."""
    places = {
        "__agent_identity": fleet.folder / "identity.json",
        "__agent_credential_store": fleet.folder / "credstore",
        "__agent_credential": fleet.folder / "credstore/h8lio.join-token",
        "__agent_cache": fleet.folder / "cache",
    }
    file = fleet.folder / "role.yml"
    file.write_text(PLAY % name)
    words = ["--check"] if dry else []
    for setting in ["%s=%s" % place for place in places.items()] + list(settings):
        words += ["--extra-vars", setting]
    return said(ansible("ansible-playbook", "-i", hosts, "-c", "local", *(words + [file]), **options))


def said(text):
    """What was printed, without how it was broken into lines."""
    return " ".join(text.split())


def test_a_server_of_which_nothing_is_known_gets_no_token_even_when_it_would_be_approved(fleet, ansible):
    told = part(fleet, ansible, "token", '{"agent_approve": true}', succeeds=False)
    assert "nothing is known of s1" in told
    assert fleet.calls() == []


def test_a_coordinator_that_is_away_for_a_moment_does_not_end_the_wait(fleet, ansible):
    fleet.change(nodes=[node("s1")], down_for=1)
    assert "failed=0" in part(fleet, ansible, "online", '{"agent_online_within": 60}')


def test_a_coordinator_that_never_answers_ends_the_wait_in_its_own_words(fleet, ansible):
    fleet.change(down=True)
    told = part(fleet, ansible, "online", '{"agent_online_within": 0}', succeeds=False)
    assert "s1 is not online after 0 s. h8lctl node list: h8lctl: no coordinator answers" in told


def test_a_node_that_does_not_come_online_is_told_with_its_state(fleet, ansible):
    fleet.change(nodes=[node("s1", availability="Unreachable", availabilityReason="not heard for 2 min")])
    told = part(fleet, ansible, "online", '{"agent_online_within": 0}', succeeds=False)
    assert "s1 is not online after 0 s. It is Enrolled, Unreachable: not heard for 2 min" in told


def test_a_node_that_was_decommissioned_is_told_apart_from_one_that_never_asked(fleet, ansible):
    settings = '{"agent_online_within": 0}'
    assert "It has not asked to join" in part(fleet, ansible, "online", settings, succeeds=False)
    fleet.change(nodes=[node("s1", admission="Decommissioned")])
    assert "It was decommissioned" in part(fleet, ansible, "online", settings, succeeds=False)


def test_the_approval_waits_through_an_error_too(fleet, ansible):
    claims = '{"claims": {"hostname": "s1", "serial": "7XK2F3", "macs": []}}'
    entry = {"actor": "node/id-s1", "action": "node.enroll", "request": claims}
    fleet.change(nodes=[node("s1", admission="Pending")], audit=[entry], down_for=1)
    enrolled = '{"__agent_enrolled": {"stat": {"exists": false}}}'
    part(fleet, ansible, "online", '{"agent_approve": true, "agent_serial": "7XK2F3"}', enrolled)
    assert fleet.calls() == ["node approve s1"]


SERIAL = '{"agent_serial": "7XK2F3"}'


def test_why_no_token_was_made_is_told_although_tokens_are_hidden(fleet, ansible):
    fleet.change(down=True)
    told = part(fleet, ansible, "token", SERIAL, succeeds=False)
    assert "no join token for s1: h8lctl node list: h8lctl: no coordinator answers" in told
    fleet.program.unlink()
    told = part(fleet, ansible, "token", SERIAL, succeeds=False)
    assert "no join token for s1: cannot run h8lctl node list" in told


def enroll(fleet, name, own_id):
    """Gives the server an identity."""
    identity = {"format": 1, "fleet": "prod", "nodeName": name, "nodeId": own_id}
    (fleet.folder / "identity.json").write_text(json.dumps(identity))


def token(name):
    return {"id": "t1", "nodeName": name, "usedBy": [], "maxUses": 1}


def test_leaving_ends_this_servers_membership_and_its_unused_token_once(fleet, ansible):
    fleet.change(nodes=[node("s1"), node("s2")], tokens=[token("s1"), dict(token("s2"), id="t2")])
    enroll(fleet, "s1", "id-s1")
    assert "changed=2" in part(fleet, ansible, "leave")
    assert "changed=0" in part(fleet, ansible, "leave"), "an uninstall that ended here is repeated"
    assert fleet.calls() == ["node decommission s1", "token revoke t1"]


@pytest.mark.parametrize(
    "own, why",
    [
        (None, "node s1 (id-s1) is Enrolled, Online, but the server has no identity"),
        (("s1", "id-old"), "node s1 is another server: its id is id-s1, and this one was id-old"),
        (("s2", "id-s2"), "the server is node s2 (id-s2), not s1"),
    ],
)
def test_a_server_that_may_be_another_one_keeps_everything(fleet, ansible, own, why):
    fleet.change(nodes=[node("s1"), node("s2")], tokens=[token("s1")])
    if own:
        enroll(fleet, *own)
    # Dry: should it go on in spite of all, it must not do so on the machine that tests.
    told = part(fleet, ansible, "uninstall", dry=True, succeeds=False)
    assert "nothing is decommissioned: " + why in told
    assert "Give the distribution its timers back" not in told, "the server was touched before the refusal"
    part(fleet, ansible, "leave", succeeds=False)
    assert fleet.calls() == []


def test_a_server_without_an_identity_leaves_a_fleet_that_has_no_such_node(fleet, ansible):
    assert "changed=0" in part(fleet, ansible, "leave")


def test_a_membership_that_shall_stay_needs_no_identity(fleet, ansible):
    fleet.change(nodes=[node("s1")], tokens=[token("s1")])
    part(fleet, ansible, "leave", '{"agent_decommission": false}')
    assert fleet.calls() == ["token revoke t1"]


def test_only_who_says_that_the_coordinator_is_gone_leaves_without_it(fleet, ansible):
    fleet.change(down=True)
    enroll(fleet, "s1", "id-s1")
    assert "no coordinator answers" in part(fleet, ansible, "leave", succeeds=False)
    assert "failed=0" in part(fleet, ansible, "leave", '{"agent_coordinator_gone": true}')


def test_two_servers_are_never_the_same_node(fleet, ansible):
    told = part(fleet, ansible, "unique", hosts="s1.a,s1.b,s2.a,", succeeds=False)
    assert "s1.a, s1.b would all be node s1; set agent_node" in told
    assert [name for name in ("s1.a", "s1.b", "s2.a") if "fatal: [%s]" % name in told] == ["s1.a", "s1.b"]
    assert "failed=0" in part(fleet, ansible, "unique", hosts="s1.a,s2.b,")


def test_an_uninstall_leaves_no_folder_for_packages_unless_it_is_a_coordinators_too(fleet, ansible):
    cache = fleet.folder / "cache"
    cache.mkdir()
    (cache / "h8lio-agent.deb").write_text("")
    (cache / "h8lio-coordinator.deb").write_text("")
    part(fleet, ansible, "clean")
    assert [file.name for file in cache.iterdir()] == ["h8lio-coordinator.deb"]
    (cache / "h8lio-coordinator.deb").unlink()
    assert "changed=1" in part(fleet, ansible, "clean")
    assert not cache.exists()
    assert "changed=0" in part(fleet, ansible, "clean")
