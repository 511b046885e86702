//! What was ordered and not begun is looked at again.

use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::order::{Outcome, TOO_LATE, WITHDRAWN};
use h8lio_model::plan::{NodeState, SlotPhase, Tenant, WaitingOn};
use h8lio_planner::calendar::{Freeze, FreezeTime, Stretch};
use h8lio_planner::constraints::Rule;
use h8lio_planner::inventory::Fact;
use h8lio_planner::{Answer, BEGIN_WITHIN, DELIVERY, Wish};
use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use crate::support::{NODE_TIME, Scene, declared, id, minutes, racks, set_of, spec, t0};

/// Of two racks one goes; its server has taken the order and does not begin.
fn ordered() -> Scene {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.idle.extend([id(0), id(1)]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    fleet.follows(0);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"], "nothing speaks against it");
    fleet
}

fn is_taken_back(fleet: &Scene) {
    assert!(
        matches!(fleet.phase(0), Some(SlotPhase::Withdrawn { .. })),
        "{:?}",
        fleet.phase(0)
    );
    let order = &fleet.plan.content().orders[&id(0)].content;
    assert!(order.tickets.is_empty() && order.patch.is_none());
    assert!(
        fleet.ordered().is_empty(),
        "its place is not given to anybody"
    );
    assert_eq!(fleet.state("march", 0), NodeState::InSlot);
}

fn ada() -> String {
    "ada".to_owned()
}

fn once(from: Timestamp) -> Freeze {
    Freeze {
        name: "sales".into(),
        when: FreezeTime::Once { from, until: None },
    }
}

#[rstest]
#[case::it_is_paused(|fleet: &mut Scene| fleet.wishes(Wish::Pause { by: ada(), at: t0() }))]
#[case::a_freeze_begins(|fleet: &mut Scene| fleet.policy.freezes.push(once(t0())))]
#[case::a_freeze_is_near(|fleet: &mut Scene| fleet.policy.freezes.push(once(t0() + minutes(9))))]
#[case::its_operator_wants_it(|fleet: &mut Scene| fleet.node(0).wanted = Scheduling::InMaintenance)]
#[case::it_is_not_well(|fleet: &mut Scene| fleet.node(0).restricted = Some("banned".into()))]
#[case::it_is_suspect(|fleet: &mut Scene| fleet.node(0).availability = Availability::Suspect)]
#[case::its_facts_are_old(|fleet: &mut Scene| {
    fleet.node(0).packages.as_mut().expect("packages").observed_at = t0() - SignedDuration::from_hours(9);
})]
#[case::somebody_works_on_it(|fleet: &mut Scene| {
    fleet.node(0).packages.as_mut().expect("packages").value.busy = vec!["apt".into()];
})]
#[case::a_mate_died(|fleet: &mut Scene| fleet.node(1).availability = Availability::Unreachable)]
#[case::a_check_fails(|fleet: &mut Scene| {
    fleet.rollouts[0].spec.health_checks = vec!["shop".into()];
    fleet.health.insert("shop".into(), Fact::new(Err("503".into()), t0()));
})]
#[case::an_oracle_says_no(|fleet: &mut Scene| {
    fleet.node(0).tenants = Some(Fact::new([Tenant::Osd].into(), t0()));
    fleet.oracles.can_ask.insert(Tenant::Osd);
    let (tenant, says) = (Tenant::Osd, Err("not clean".into()));
    fleet.oracles.answers.push(Answer { tenant, union: [id(0)].into(), says, at: t0() });
})]
#[case::it_is_too_old(|fleet: &mut Scene| fleet.pass(BEGIN_WITHIN + DELIVERY + SignedDuration::from_secs(1)))]
fn a_ticket_that_was_not_begun_is_taken_back_when(#[case] happens: impl FnOnce(&mut Scene)) {
    let mut fleet = ordered();
    happens(&mut fleet);
    fleet.plan();
    is_taken_back(&fleet);
    assert_eq!(fleet.why("march", 0), [WaitingOn::Withdrawal]);
    fleet.pass(SignedDuration::from_secs(1));
    fleet.plan();
    is_taken_back(&fleet);
}

#[rstest]
#[case::it_is_paused(|fleet: &mut Scene| fleet.wishes(Wish::Pause { by: ada(), at: t0() }))]
#[case::a_freeze_begins(|fleet: &mut Scene| fleet.policy.freezes.push(once(t0())))]
#[case::it_reboots(|fleet: &mut Scene| fleet.node(0).availability = Availability::Unreachable)]
#[case::a_mate_died(|fleet: &mut Scene| fleet.node(1).availability = Availability::Unreachable)]
#[case::it_is_old(|fleet: &mut Scene| fleet.pass(SignedDuration::from_hours(3)))]
fn what_has_begun_goes_on_when(#[case] happens: impl FnOnce(&mut Scene)) {
    let mut fleet = ordered();
    fleet.begins(0);
    happens(&mut fleet);
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    assert!(
        !fleet.plan.content().orders[&id(0)]
            .content
            .tickets
            .is_empty()
    );
}

#[test]
fn of_a_node_that_says_nothing_it_is_not_known_whether_it_began() {
    let mut fleet = ordered();
    fleet.node(0).availability = Availability::Unreachable;
    fleet.node(0).orders = None;
    fleet.pass(SignedDuration::from_hours(3));
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    assert!(
        !fleet.ordered().contains(&"s1".to_owned()),
        "silence gives nothing back"
    );
}

#[test]
fn a_place_is_given_to_another_only_when_the_node_has_said_that_it_did_not_begin() {
    let mut fleet = ordered();
    fleet.node(0).wanted = Scheduling::InMaintenance;
    fleet.plan();
    is_taken_back(&fleet);
    fleet.node(0).wanted = Scheduling::Active;
    fleet.pass(SignedDuration::from_hours(1));
    fleet.plan();
    is_taken_back(&fleet);
    let first = fleet.plan.content().slots[&id(0)].attempt;
    fleet.follows(0);
    fleet.plan();
    assert_eq!(
        fleet.ordered(),
        ["s0"],
        "nothing speaks against it any more"
    );
    assert_ne!(fleet.plan.content().slots[&id(0)].attempt, first);
}

#[test]
fn a_node_that_began_before_the_withdrawal_came_says_how_it_ended() {
    let mut fleet = ordered();
    fleet.wishes(Wish::Pause {
        by: ada(),
        at: t0(),
    });
    fleet.plan();
    is_taken_back(&fleet);
    fleet.ends_as(0, Outcome::Failed, true, WITHDRAWN);
    fleet.plan();
    assert_eq!(
        (fleet.phase(0), fleet.state("march", 0)),
        (None, NodeState::Waiting)
    );
}

#[test]
fn a_ticket_that_its_node_found_too_old_is_no_failure() {
    let mut fleet = ordered();
    fleet.ends_as(0, Outcome::Failed, true, TOO_LATE);
    fleet.node(0).wanted = Scheduling::InMaintenance;
    fleet.plan();
    assert_eq!(
        (fleet.phase(0), fleet.state("march", 0)),
        (None, NodeState::Waiting)
    );
    assert_eq!(fleet.told("march").count.failed, 0);
}

#[test]
fn a_set_that_is_full_and_not_overfull_takes_nothing_back() {
    let mut fleet = Scene::new(&["r1", "r1", "r1"])
        .with(declared("nodes", Rule::Nodes(2)))
        .with(set_of("pair", Rule::Nodes(2), &[0, 1]))
        .rollout(spec("march"));
    fleet.idle.extend([id(0), id(1), id(2)]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    fleet.node(2).availability = Availability::Unreachable;
    fleet.plan();
    assert!(fleet.ordered().is_empty());
}

fn begin_before(fleet: &Scene, n: u32) -> Timestamp {
    fleet.plan.content().orders[&id(n)].content.tickets[0].begin_before
}

fn nightly(lasts: SignedDuration) -> Stretch {
    let spec = h8lio_model::rollout::WindowSpec {
        cron: "0 10 * * *".into(),
        lasts,
        zone: "UTC".into(),
    };
    Stretch::compile(&spec, &TimeZoneDatabase::bundled(), t0()).expect("a window")
}

#[rstest]
#[case::nothing_limits_it(|_: &mut Scene| {}, BEGIN_WITHIN)]
#[case::a_window_ends(|fleet: &mut Scene| fleet.policy.windows.push(nightly(NODE_TIME + minutes(3))), minutes(3))]
#[case::a_window_is_long(|fleet: &mut Scene| fleet.policy.windows.push(nightly(NODE_TIME * 5)), BEGIN_WITHIN)]
#[case::a_window_just_fits(|fleet: &mut Scene| fleet.policy.windows.push(nightly(NODE_TIME)), DELIVERY)]
#[case::a_freeze_comes(|fleet: &mut Scene| fleet.policy.freezes.push(once(t0() + NODE_TIME + minutes(2))), minutes(2))]
fn a_ticket_holds_for_minutes_and_not_beyond_window_and_freeze(
    #[case] rule: impl FnOnce(&mut Scene),
    #[case] holds: SignedDuration,
) {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    rule(&mut fleet);
    fleet.plan();
    assert_eq!(begin_before(&fleet, 0), t0() + holds);
}

/// Whoever waits for an oracle's answer holds a place, and a mate that goes down meanwhile needs it.
#[test]
fn what_is_only_reserved_is_given_back_when_a_mate_goes_down_and_is_not_ordered_beside_it() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(0).tenants = Some(Fact::new([Tenant::Osd].into(), t0()));
    fleet.oracles.can_ask.insert(Tenant::Osd);
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Reserved));
    fleet.node(1).availability = Availability::Unreachable;
    fleet.pass(SignedDuration::from_secs(1));
    let (tenant, at) = (Tenant::Osd, fleet.now);
    let union = [id(0)].into();
    let says = Ok(());
    fleet.oracles.answers.push(Answer {
        tenant,
        union,
        says,
        at,
    });
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
    let why = fleet.why("march", 0);
    assert!(
        matches!(&why[..], [WaitingOn::DomainTaken { .. }]),
        "{why:?}"
    );
}
