"""Who is let in, decided without a fleet."""

import json

import pytest

from ansible_collections.h8lio.fleet.plugins.module_utils.membership import (
    differences,
    parse_identity,
    to_decommission,
    unused_tokens,
    why_not_approved,
)

PENDING = {"admission": "Pending", "restriction": None}
CLAIMS = {"serial": "7XK2F3", "hostname": "s1", "macs": ["52:54:00:aa:00:01", "52:54:00:aa:00:02"]}


def test_claims_are_compared_without_case_and_one_mac_is_enough():
    assert differences({"serial": "7xk2f3", "mac": "52:54:00:AA:00:02", "hostname": "S1"}, CLAIMS) == []


def test_every_difference_is_named():
    found = differences({"serial": "OTHER", "mac": "52:54:00:aa:00:09"}, CLAIMS)
    assert found == [
        "expected serial OTHER, the server says 7XK2F3",
        "expected mac 52:54:00:aa:00:09, the server says 52:54:00:aa:00:01, 52:54:00:aa:00:02",
    ]


def test_a_server_that_says_nothing_of_what_is_expected_differs():
    assert differences({"serial": "7XK2F3"}, {"hostname": "s1"}) == ["expected serial 7XK2F3, the server says nothing"]


def test_a_banned_node_is_never_approved():
    banned = {"admission": "Pending", "restriction": {"kind": "banned", "reason": "stolen"}}
    assert why_not_approved(banned, {}, CLAIMS) == "it is banned (stolen); a person has to look at it"


def test_a_node_whose_claims_are_forgotten_is_left_to_a_person():
    assert "a person has to compare" in why_not_approved(PENDING, {"serial": "7XK2F3"}, None)


def test_a_node_of_which_nothing_is_expected_is_approved_only_when_that_is_said():
    assert why_not_approved(PENDING, {"serial": None, "mac": ""}, CLAIMS).startswith("nothing is expected of it")
    assert why_not_approved(PENDING, {"serial": None}, None, expect_nothing=True) is None


def test_only_tokens_that_can_still_be_used_are_unused():
    tokens = [
        {"id": "used", "nodeName": "s1", "usedBy": ["x"], "maxUses": 1},
        {"id": "revoked", "nodeName": "s1", "usedBy": [], "maxUses": 1, "revokedAt": "2026-01-01T00:00:00Z"},
        {"id": "other", "nodeName": "s2", "usedBy": [], "maxUses": 1},
        {"id": "nameless", "usedBy": [], "maxUses": 1},
        {"id": "open", "nodeName": "s1", "usedBy": [], "maxUses": 1},
    ]
    assert unused_tokens(tokens, "s1") == ["open"]


NODES = [
    {"id": "id-1", "name": "s1", "admission": "Enrolled", "availability": "Online"},
    {"id": "id-2", "name": "s2", "admission": "Enrolled", "availability": "Online"},
]


def test_a_membership_ends_for_the_node_that_has_both_name_and_id():
    assert to_decommission(NODES, "s1", "id-1") == NODES[0]
    assert to_decommission(NODES, "s1", None) == NODES[0], "nobody looked at the server"


def test_a_node_that_is_gone_is_gone_whatever_the_server_has_left():
    assert to_decommission(NODES, "s3", "id-3") is None
    assert to_decommission(NODES, "s3", "") is None


@pytest.mark.parametrize(
    "name, own, why",
    [
        ("s1", "id-9", "node s1 is another server: its id is id-1, and this one was id-9"),
        ("s1", "id-2", "the server is node s2 .id-2., not s1"),
        ("s9", "id-2", "the server is node s2 .id-2., not s9"),
        ("s1", "", "node s1 .id-1. is Enrolled, Online, but the server has no identity"),
    ],
)
def test_no_membership_ends_when_it_may_be_another_servers(name, own, why):
    with pytest.raises(ValueError, match=why):
        to_decommission(NODES, name, own)


IDENTITY = {"format": 1, "fleet": "prod", "nodeId": "id-1", "nodeName": "s1", "current": {"key": "SECRET"}}


def test_an_identity_says_who_the_server_is_and_nothing_else():
    assert parse_identity(json.dumps(IDENTITY)) == {"id": "id-1", "name": "s1", "fleet": "prod"}
    assert parse_identity(None) == {"id": "", "name": "", "fleet": ""}


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "key": "SECRET"}', json.dumps(dict(IDENTITY, format=2))])
def test_an_identity_that_cannot_be_read_is_no_missing_one(text):
    with pytest.raises(ValueError) as e:
        parse_identity(text)
    assert "SECRET" not in str(e.value)
