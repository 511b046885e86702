"""What is taken from the distribution and given back, decided without systemd."""

from ansible_collections.h8lio.fleet.plugins.module_utils.timers import UNITS, give_back, parse_show, take

ON = {"file": "enabled", "active": True}
OFF = {"file": "disabled", "active": False}

SHOWN = """\
Id=apt-daily.timer
UnitFileState=enabled
ActiveState=active

Id=apt-daily-upgrade.timer
UnitFileState=disabled
ActiveState=inactive

Id=unattended-upgrades.service
UnitFileState=
ActiveState=inactive
"""


def test_a_unit_that_is_not_installed_is_left_out():
    assert parse_show(SHOWN) == {"apt-daily.timer": ON, "apt-daily-upgrade.timer": OFF}


def test_what_runs_is_taken_and_what_was_off_is_not_touched():
    assert take(parse_show(SHOWN)) == [["disable", "--now", "apt-daily.timer"]]


def test_taking_again_takes_nothing():
    assert take({name: OFF for name in UNITS}) == []


def test_what_was_taken_comes_back_as_it_was():
    recorded = parse_show(SHOWN)
    now = {"apt-daily.timer": OFF, "apt-daily-upgrade.timer": OFF}
    assert give_back(recorded, now) == [["enable", "apt-daily.timer"], ["start", "apt-daily.timer"]]


def test_giving_back_twice_changes_nothing_the_second_time():
    recorded = parse_show(SHOWN)
    assert give_back(recorded, recorded) == []


def test_a_unit_that_somebody_masked_since_stays_masked():
    masked = {"file": "masked", "active": False}
    assert give_back({"apt-daily.timer": ON}, {"apt-daily.timer": masked}) == []


def test_a_unit_that_is_gone_is_not_started():
    assert give_back({"apt-daily.timer": ON}, {}) == []
