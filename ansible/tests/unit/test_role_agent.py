"""Parts of the role agent against a fleet, on the control node itself."""

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


def part(fleet, ansible, name, *settings, **options):
    """Runs a file of tasks of the role for a host s1, whose files are in the test's folder."""
    places = {
        "__agent_identity": fleet.folder / "identity.json",
        "__agent_credential_store": fleet.folder / "credstore",
        "__agent_credential": fleet.folder / "credstore/h8lio.join-token",
        "__agent_cache": fleet.folder / "cache",
    }
    file = fleet.folder / "role.yml"
    file.write_text(PLAY % name)
    words = []
    for setting in ["%s=%s" % place for place in places.items()] + list(settings):
        words += ["--extra-vars", setting]
    return said(ansible("ansible-playbook", "-i", "s1,", "-c", "local", *(words + [file]), **options))


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
