//! What is taken in as a rollout, and what is refused with one clear error.

use h8lio_model::rollout::{
    BadRollout, NoSelector, RolloutSpec, RolloutTarget, Selector, WaveSize, WindowSpec,
};
use h8lio_planner::admit::{NotAdmitted, admit};
use jiff::SignedDuration;
use jiff::tz::TimeZoneDatabase;
use rstest::rstest;

use crate::support::{Scene, id, minutes, spec, t0};

fn taken_in(fleet: &Scene, spec: RolloutSpec) -> Result<(), NotAdmitted> {
    let zones = TimeZoneDatabase::bundled();
    let (rollouts, now) = (&fleet.rollouts, fleet.now);
    admit(spec, rollouts, &fleet.inventory, &fleet.policy, &zones, now).map(|_| ())
}

fn window(cron: &str, lasts: SignedDuration) -> WindowSpec {
    WindowSpec {
        cron: cron.into(),
        lasts,
        zone: "Europe/Paris".into(),
    }
}

#[test]
fn a_rollout_as_it_should_be_is_taken_in() {
    let mut good = spec("march");
    good.windows = vec![window("0 22 * * *", SignedDuration::from_hours(4))];
    good.deadline = t0().checked_add(minutes(60)).ok();
    good.target = "packages:openssl".parse().expect("a target");
    assert_eq!(taken_in(&Scene::new(&["r1"]), good), Ok(()));
}

#[rstest]
#[case::nobody(
    |s: &mut RolloutSpec| s.selector = "rack=r9".parse().expect("a selector"),
    "no enrolled node is selected by \"rack=r9\""
)]
#[case::deadline_in_the_past(|s: &mut RolloutSpec| s.deadline = Some(t0()), "has passed")]
#[case::unknown_package(
    |s: &mut RolloutSpec| s.target = "packages:openssl,opnessl".parse().expect("a target"),
    "offered an update of package opnessl"
)]
#[case::never_opens(
    |s: &mut RolloutSpec| s.windows = vec![window("0 0 31 6 *", SignedDuration::from_hours(1))],
    "never opens"
)]
#[case::no_such_zone(
    |s: &mut RolloutSpec| s.windows = vec![WindowSpec { zone: "Moon/Base".into(), ..window("0 0 * * *", SignedDuration::from_hours(1)) }],
    "\"Moon/Base\" does not exist"
)]
#[case::too_short(
    |s: &mut RolloutSpec| s.windows = vec![window("0 0 * * *", minutes(9))],
    "as long as the shortest node takes (10m)"
)]
#[case::threshold(|s: &mut RolloutSpec| s.failure_threshold = 0, "failure threshold is 0")]
#[case::soak(|s: &mut RolloutSpec| s.soak = minutes(-1), "is negative")]
#[case::empty_wave(
    |s: &mut RolloutSpec| s.waves = vec![WaveSize::Nodes(1), WaveSize::Percent(101)],
    "wave 2 has the size 101 %"
)]
fn a_rollout_that_cannot_be_is_one_clear_error(
    #[case] spoil: fn(&mut RolloutSpec),
    #[case] expected: &str,
) {
    let mut bad = spec("march");
    spoil(&mut bad);
    let error = taken_in(&Scene::new(&["r1"]), bad).expect_err("must be refused");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_name_is_never_used_twice() {
    let fleet = Scene::new(&["r1"]).rollout(spec("march"));
    assert_eq!(
        taken_in(&fleet, spec("march")),
        Err(NotAdmitted::NameTaken("march".into()))
    );
}

#[test]
fn no_wave_is_empty() {
    for size in [WaveSize::Nodes(0), WaveSize::Percent(0)] {
        let mut bad = spec("march");
        bad.waves = vec![size];
        let error = bad.check(t0()).expect_err("empty");
        assert!(
            matches!(error, BadRollout::EmptyWave { number: 1, .. }),
            "{error}"
        );
    }
}

#[rstest]
#[case("", NoSelector::Empty)]
#[case("  ", NoSelector::Empty)]
#[case("all,rack=r1", NoSelector::AllAndMore)]
#[case("rack", NoSelector::NoTerm("rack".into()))]
#[case("host=s1", NoSelector::NoTerm("host=s1".into()))]
#[case("rack=", NoSelector::Empty)]
#[case("rack=r1,", NoSelector::NoTerm(String::new()))]
fn an_empty_or_unclear_selection_is_an_error_and_never_everybody(
    #[case] text: &str,
    #[case] expected: NoSelector,
) {
    assert_eq!(text.parse::<Selector>(), Err(expected));
}

#[rstest]
#[case("all", &[0, 1, 2])]
#[case("rack=r1", &[0, 1])]
#[case("rack=r1,rack=r2", &[0, 1, 2])]
#[case("rack=r1,role=storage", &[1])]
#[case("name=s0,name=s2", &[0, 2])]
#[case("name=s0,rack=r2", &[])]
#[case("label:tier=gold", &[2])]
#[case("label:tier=gold,label:tier=silver", &[1, 2])]
#[case("label:tier=gold,label:site=x", &[])]
#[case("zone=par1-a,region=eu,datacenter=par1", &[0, 1, 2])]
fn terms_of_one_kind_widen_and_kinds_narrow(#[case] text: &str, #[case] expected: &[u32]) {
    let mut fleet = Scene::new(&["r1", "r1", "r2"]);
    fleet.node(1).roles = vec!["storage".parse().expect("a role")];
    fleet.node(1).labels.insert("tier".into(), "silver".into());
    fleet.node(2).labels.insert("tier".into(), "gold".into());
    let selector: Selector = text.parse().expect("a selector");
    assert_eq!(selector.to_string().parse(), Ok(selector.clone()));
    let found: Vec<_> = fleet.inventory.selected(&selector).into_iter().collect();
    let expected: Vec<_> = expected.iter().map(|n| id(*n)).collect();
    assert_eq!(found, expected);
}

#[test]
fn targets_read_as_they_are_written() {
    for text in [
        "security",
        "all",
        "kernel",
        "reboot-only",
        "packages:curl,openssl",
    ] {
        let target: RolloutTarget = text.parse().expect(text);
        assert_eq!(target.to_string(), text);
    }
    for text in ["", "packages:", "packages:-y", "everything"] {
        text.parse::<RolloutTarget>().expect_err(text);
    }
}

#[test]
fn a_specification_survives_json_and_refuses_what_it_does_not_know() {
    let mut full = spec("march");
    full.windows = vec![window("0 22 * * *", SignedDuration::from_hours(4))];
    full.waves = vec![WaveSize::Nodes(1), WaveSize::Percent(50)];
    let json = serde_json::to_string(&full).expect("JSON");
    assert_eq!(
        serde_json::from_str::<RolloutSpec>(&json).expect("reads"),
        full
    );
    let typo = json.replace("\"canary\"", "\"canaries\"");
    let error = serde_json::from_str::<RolloutSpec>(&typo).expect_err("unknown");
    assert!(error.to_string().contains("canaries"), "{error}");
    let empty = json.replace("\"selector\":\"all\"", "\"selector\":\"\"");
    serde_json::from_str::<RolloutSpec>(&empty).expect_err("an empty selection");
}
