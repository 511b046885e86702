"""The modules against a fleet, each through a play, as Ansible runs them."""

from ansible_collections.h8lio.fleet.tests.conftest import node

PLAY = """\
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/h8lio.fleet.h8lctl:
      h8lctl: h8lctl
  tasks:
"""

TOKEN = """\
    - h8lio.fleet.join_token:
        node: s1
        serial: 7XK2F3
        roles: [storage]
        topology: eu/fra1/z1/r12
        reason: a test
      register: join
      no_log: true
    - debug:
        msg: "admission={{ join.admission }} changed={{ join.changed }} has_token={{ join.token != '' }}"
"""

APPROVE = """\
    - h8lio.fleet.node:
        node: s1
        state: approved
        serial: 7XK2F3
        reason: a test
"""

GONE = """\
    - h8lio.fleet.node:
        node: s1
        state: decommissioned
        reason: a test
"""


def play(fleet, ansible, tasks, *arguments, **options):
    file = fleet.folder / "play.yml"
    file.write_text(PLAY + tasks)
    return ansible("ansible-playbook", "-i", "localhost,", "-c", "local", *(arguments + (file,)), **options)


def test_a_server_that_nobody_knows_gets_a_token_for_itself_alone(fleet, ansible):
    told = play(fleet, ansible, TOKEN, "-vvv")
    assert "admission= changed=True has_token=True" in told
    assert fleet.calls() == [
        "token create --name=s1 --reason=a test --roles=storage --serial=7XK2F3"
        " --topology=eu/fra1/z1/r12 --ttl=1h --uses=1 --yes=True"
    ]
    assert "h8lio1.secret" not in told, "the token stands in the output"


def test_a_member_gets_none_and_nothing_changes(fleet, ansible):
    fleet.change(nodes=[node("s1")])
    assert "admission=Enrolled changed=False has_token=False" in play(fleet, ansible, TOKEN)
    assert fleet.calls() == []


def test_a_dry_run_makes_no_token_and_says_that_it_would(fleet, ansible):
    assert "changed=True has_token=False" in play(fleet, ansible, TOKEN, "--check")
    assert fleet.calls() == []


def test_a_token_that_got_lost_is_revoked_before_the_next_is_made(fleet, ansible):
    play(fleet, ansible, TOKEN)
    play(fleet, ansible, TOKEN)
    assert [call.split()[:2] for call in fleet.calls()] == [
        ["token", "create"],
        ["token", "revoke"],
        ["token", "create"],
    ]


def test_a_server_that_is_the_expected_one_is_approved_once(fleet, ansible):
    claims = '{"claims": {"hostname": "s1", "serial": "7XK2F3", "macs": []}}'
    entry = {"actor": "node/id-s1", "action": "node.enroll", "request": claims}
    fleet.change(nodes=[node("s1", admission="Pending")], audit=[entry])
    assert "changed=1" in play(fleet, ansible, APPROVE, "--check")
    assert fleet.calls() == []
    assert "changed=1" in play(fleet, ansible, APPROVE)
    assert "changed=0" in play(fleet, ansible, APPROVE)
    assert fleet.calls() == ["node approve s1"]


def test_another_server_than_the_expected_one_is_not_approved(fleet, ansible):
    claims = '{"claims": {"hostname": "s1", "serial": "OTHER", "macs": []}}'
    entry = {"actor": "node/id-s1", "action": "node.enroll", "request": claims}
    fleet.change(nodes=[node("s1", admission="Pending")], audit=[entry])
    told = play(fleet, ansible, APPROVE, succeeds=False)
    assert "expected serial 7XK2F3, the server says OTHER" in told
    assert fleet.calls() == []


def test_nobody_is_approved_of_whom_nothing_is_expected_unless_that_is_asked_for(fleet, ansible):
    fleet.change(nodes=[node("s1", admission="Pending")])
    anybody = APPROVE.replace("serial: 7XK2F3", "serial: ''")
    assert "nothing is expected of it" in play(fleet, ansible, anybody, succeeds=False)
    assert fleet.calls() == []
    play(fleet, ansible, anybody.replace("serial: ''", "expect_nothing: true"))
    assert fleet.calls() == ["node approve s1"]


def test_a_membership_is_ended_once(fleet, ansible):
    fleet.change(nodes=[node("s1")])
    assert "changed=1" in play(fleet, ansible, GONE)
    assert "changed=0" in play(fleet, ansible, GONE)
    assert fleet.calls() == ["node decommission s1"]


def test_a_coordinator_that_does_not_answer_is_told_in_its_own_words(fleet, ansible):
    fleet.change(down=True)
    told = play(fleet, ansible, GONE, succeeds=False)
    assert "h8lctl node list: h8lctl: no coordinator answers" in told
