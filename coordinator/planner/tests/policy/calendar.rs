//! Windows and freezes, also on the days when the clock is moved.

use h8lio_model::plan::WaitingOn;
use h8lio_model::rollout::{Lane, WindowSpec};
use h8lio_planner::calendar::{BadWindow, Calendar, Freeze, FreezeTime, Stretch};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use crate::support::{NODE_TIME, Scene, id, minutes, name, racks, spec, t0};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn window(cron: &str, lasts: SignedDuration, zone: &str) -> WindowSpec {
    WindowSpec {
        cron: cron.into(),
        lasts,
        zone: zone.into(),
    }
}

fn compiled(cron: &str, hours: i64, zone: &str) -> Stretch {
    let spec = window(cron, SignedDuration::from_hours(hours), zone);
    Stretch::compile(&spec, &TimeZoneDatabase::bundled(), t0()).expect("a window")
}

#[test]
fn a_window_is_open_from_its_first_moment_until_just_before_its_end() {
    let nightly = compiled("0 22 * * *", 4, "UTC");
    for (time, open) in [
        ("2026-03-02T21:59:59Z", false),
        ("2026-03-02T22:00:00Z", true),
        ("2026-03-03T01:59:59Z", true),
        ("2026-03-03T02:00:00Z", false),
    ] {
        assert_eq!(nightly.end_if_open(at(time)).is_some(), open, "{time}");
    }
}

#[rstest]
// Europe/Paris: 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.
#[case::winter("30 2 * * *", "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z")]
#[case::skipped_by_the_clock("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
#[case::summer("30 2 * * *", "2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z")]
#[case::shown_twice("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z")]
#[case::not_a_second_time("30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
fn a_window_begins_on_the_clock_of_its_zone(
    #[case] cron: &str,
    #[case] after: &str,
    #[case] expected: &str,
) {
    let nightly = compiled(cron, 1, "Europe/Paris");
    assert_eq!(nightly.next(at(after)), Some(at(expected)));
}

#[test]
fn a_window_lasts_as_long_on_the_days_when_the_clock_is_moved() {
    let nightly = compiled("0 1 * * *", 3, "Europe/Paris");
    for (begin, end) in [
        ("2026-03-28T00:00:00Z", "2026-03-28T03:00:00Z"),
        ("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z"),
        ("2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z"),
    ] {
        assert_eq!(nightly.end_if_open(at(begin)), Some(at(end)), "{begin}");
    }
}

#[test]
fn windows_that_follow_without_a_gap_are_one() {
    let hourly = compiled("0 8-11 * * *", 1, "UTC");
    assert_eq!(
        hourly.end_if_open(at("2026-03-02T08:30:00Z")),
        Some(at("2026-03-02T12:00:00Z"))
    );
    assert_eq!(hourly.end_if_open(at("2026-03-02T12:00:00Z")), None);
}

#[rstest]
#[case::no_cron("every night", 1, "UTC", "no cron expression")]
#[case::seconds("0 0 22 * * *", 1, "UTC", "no cron expression")]
#[case::no_zone(
    "0 22 * * *",
    1,
    "Europe/Atlantis",
    "\"Europe/Atlantis\" does not exist"
)]
#[case::no_length("0 22 * * *", 0, "UTC", "longer than nothing")]
#[case::never("0 22 30 2 *", 1, "UTC", "never opens")]
fn a_window_that_cannot_be_is_one_clear_error(
    #[case] cron: &str,
    #[case] hours: i64,
    #[case] zone: &str,
    #[case] expected: &str,
) {
    let spec = window(cron, SignedDuration::from_hours(hours), zone);
    let error: BadWindow =
        Stretch::compile(&spec, &TimeZoneDatabase::bundled(), t0()).expect_err("bad");
    assert!(error.to_string().contains(expected), "{error}");
}

fn nightly(fleet: &mut Scene) {
    fleet.rollouts[0].windows = vec![compiled("0 22 * * *", 4, "UTC")];
}

#[test]
fn nothing_begins_outside_the_window_and_the_next_one_is_named() {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    nightly(&mut fleet);
    fleet.plan();
    let next = Some(at("2026-03-02T22:00:00Z"));
    assert_eq!(fleet.holds("march"), [WaitingOn::Window { next }]);
    let waiting = &fleet.told("march").waiting[0];
    assert_eq!(waiting.expected, next);
    let expected =
        fleet.report.as_ref().expect("planned").nodes[&id(0)].parts[&name("march")].expected;
    assert_eq!(expected, next, "the forecast says so too");
    fleet.pass(SignedDuration::from_hours(12));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn nothing_begins_that_would_not_be_done_when_the_window_ends() {
    let mut fleet = Scene::new(&["r1", "r1"])
        .with(racks(1))
        .rollout(spec("march"));
    nightly(&mut fleet);
    fleet.node(1).estimate = minutes(60);
    let ends = at("2026-03-03T02:00:00Z");
    fleet.pass(ends.duration_since(t0()) - NODE_TIME);
    fleet.plan();
    assert_eq!(
        fleet.ordered(),
        ["s0"],
        "ten minutes are enough for ten minutes"
    );
    let next = Some(at("2026-03-03T22:00:00Z"));
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::Window { next }],
        "and not for the sixty of s1"
    );
    let mut late = Scene::new(&["r1"]).rollout(spec("march"));
    nightly(&mut late);
    late.pass(ends.duration_since(t0()) - NODE_TIME + SignedDuration::from_secs(1));
    late.plan();
    assert!(late.ordered().is_empty());
}

#[test]
fn the_fleets_windows_hold_for_rollouts_without_their_own() {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    fleet.policy.windows = vec![compiled("0 22 * * *", 4, "UTC")];
    fleet.plan();
    let word = fleet.holds("march")[0].word();
    assert_eq!(word, "Window");
    fleet.rollouts[0].windows = vec![compiled("0 8 * * *", 12, "UTC")];
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn the_cve_lane_waits_for_no_window_but_for_every_freeze() {
    let mut urgent = spec("cve");
    urgent.lane = Lane::Cve;
    let mut fleet = Scene::new(&["r1"]).rollout(urgent);
    nightly(&mut fleet);
    let until = at("2026-03-02T12:00:00Z");
    fleet.policy.freezes = vec![Freeze {
        name: "sale".into(),
        when: FreezeTime::Once {
            from: t0(),
            until: Some(until),
        },
    }];
    fleet.plan();
    let (sale, until) = ("sale".to_owned(), Some(until));
    assert_eq!(
        fleet.holds("cve"),
        [WaitingOn::Freeze { name: sale, until }]
    );
    fleet.pass(SignedDuration::from_hours(2));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn nothing_begins_that_a_freeze_would_meet_half_done() {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    let from = t0().checked_add(NODE_TIME).expect("in range");
    let freeze = |from| Freeze {
        name: "sale".into(),
        when: FreezeTime::Once { from, until: None },
    };
    let second = SignedDuration::from_secs(1);
    fleet.policy.freezes = vec![freeze(from.checked_sub(second).expect("in range"))];
    fleet.plan();
    let sale = "sale".to_owned();
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::Freeze {
            name: sale,
            until: None
        }]
    );
    fleet.policy.freezes = vec![freeze(from)];
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn a_freeze_that_comes_again_holds_each_time() {
    let weekend = Freeze {
        name: "weekend".into(),
        when: FreezeTime::Again(compiled("0 0 * * SAT", 48, "Europe/Paris")),
    };
    let freezes = [weekend];
    let calendar = Calendar {
        windows: None,
        freezes: &freezes,
    };
    let work = SignedDuration::from_mins(10);
    for (time, frozen) in [
        ("2026-03-06T22:49:00Z", false),
        ("2026-03-06T22:51:00Z", true),
        ("2026-03-06T23:00:00Z", true),
        ("2026-03-08T22:59:59Z", true),
        ("2026-03-08T23:00:00Z", false),
    ] {
        assert_eq!(
            !calendar.closed(at(time), work).is_empty(),
            frozen,
            "{time}"
        );
    }
    let opens = calendar.opens(at("2026-03-07T12:00:00Z"), work);
    assert_eq!(opens, Some(at("2026-03-08T23:00:00Z")));
}

#[test]
fn a_window_that_a_freeze_covers_is_passed_over() {
    let windows = [compiled("0 22 * * *", 2, "UTC")];
    let freezes = [Freeze {
        name: "sale".into(),
        when: FreezeTime::Once {
            from: at("2026-03-02T23:00:00Z"),
            until: Some(at("2026-03-04T12:00:00Z")),
        },
    }];
    let calendar = Calendar {
        windows: Some(&windows),
        freezes: &freezes,
    };
    let opens = calendar.opens(t0(), SignedDuration::from_mins(90));
    assert_eq!(opens, Some(at("2026-03-04T22:00:00Z")));
}

#[test]
fn the_forecast_passes_over_closed_hours_and_names_them_as_the_cause() {
    let mut patch = spec("march");
    patch.deadline = Some(at("2026-03-03T12:00:00Z"));
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(racks(1))
        .rollout(patch);
    fleet.rollouts[0].windows = vec![compiled("0 22 * * *", 1, "UTC")];
    for n in 0..3 {
        fleet.node(n).estimate = minutes(40);
    }
    fleet.plan();
    let finish = Some(at("2026-03-04T22:40:00Z"));
    assert_eq!(
        fleet
            .told("march")
            .forecast
            .as_ref()
            .expect("a forecast")
            .finish,
        finish
    );
    let late = fleet
        .holds("march")
        .into_iter()
        .find(|w| w.word() == "DeadlineImpossible");
    let text = late.expect("too late").to_string();
    assert!(text.contains("because of windows and freezes"), "{text}");
}
