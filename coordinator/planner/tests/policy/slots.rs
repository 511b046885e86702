//! Slots: how they end, and how they do not.

use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::{AttemptId, LedgerId, Outcome, Running, SafePoint};
use h8lio_model::plan::{NodeState, RolloutState, SlotPhase, WaitingOn};
use h8lio_model::rollout::Lane;
use h8lio_planner::{WITHDRAWN, Wish};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::support::{Scene, id, minutes, name, no_orders, racks, spec};

fn two_racks() -> Scene {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    fleet
}

fn attempt(fleet: &Scene, n: u32) -> AttemptId {
    fleet.plan.content().slots[&id(n)].attempt
}

fn cancel(fleet: &mut Scene) {
    let at = fleet.now;
    fleet.wishes(Wish::Cancel {
        by: "ada".into(),
        at,
    });
}

#[test]
fn no_time_however_long_ends_a_slot() {
    let mut fleet = two_racks();
    fleet.pass(SignedDuration::from_hours(24 * 365));
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::TerminalState {
            step: Some("apply".into())
        }]
    );
    assert!(!fleet.ordered().contains(&"s1".to_owned()));
}

#[test]
fn a_server_that_never_returns_keeps_its_slot_and_nobody_else_goes() {
    let mut fleet = two_racks();
    fleet.node(0).availability = Availability::Unreachable;
    fleet.pass(SignedDuration::from_hours(100));
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    let why = fleet.why("march", 1);
    assert!(
        matches!(&why[..], [WaitingOn::DomainTaken { by, .. }] if by.as_str() == "s0"),
        "{why:?}"
    );
}

#[test]
fn the_step_in_progress_is_told() {
    let mut fleet = two_racks();
    let (attempt, since) = (attempt(&fleet, 0), fleet.now);
    let orders = fleet.node(0).orders.as_mut().expect("orders");
    orders.value.running = Some(Running {
        attempt,
        step: "download".into(),
        safe_point: SafePoint::Abort,
        since,
        doing: None,
    });
    fleet.plan();
    let step = Some("download".into());
    assert_eq!(fleet.why("march", 0), [WaitingOn::TerminalState { step }]);
}

#[test]
fn an_end_that_nobody_saw_ends_no_slot_until_it_is_observed() {
    let mut fleet = two_racks();
    fleet.ends(0, Outcome::Unknown);
    fleet.plan();
    assert_eq!(fleet.why("march", 0), [WaitingOn::UnknownEnd]);
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Done);
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn a_person_may_settle_an_end_that_nobody_saw_and_it_counts_as_a_failure() {
    let mut fleet = two_racks();
    let seen = attempt(&fleet, 0);
    let said = &mut fleet.rollouts[0].control.acknowledged;
    said.insert((seen, Outcome::Unknown));
    fleet.plan();
    assert_eq!(
        fleet.phase(0),
        Some(SlotPhase::Ordered),
        "it has no end of any kind"
    );
    fleet.ends(0, Outcome::Unknown);
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
    assert_eq!(fleet.state("march", 0), NodeState::Failed);
}

#[test]
fn after_a_fallback_the_slot_is_kept_the_rollout_halts_and_a_person_decides() {
    let mut fleet = two_racks();
    fleet.rollouts[0].spec.failure_threshold = 5;
    fleet.ends_as(0, Outcome::RolledBack, true, "LinkLost");
    fleet.plan();
    let outcome = Outcome::RolledBack;
    assert_eq!(fleet.told("march").state, RolloutState::Halted);
    let node = "s0".parse().expect("a name");
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::KeptSlot { node, outcome }]
    );
    assert_eq!(fleet.why("march", 0), [WaitingOn::PersonsWord { outcome }]);
    assert!(fleet.ordered().is_empty());
    let seen = attempt(&fleet, 0);
    let acknowledged = |fleet: &mut Scene, outcome| {
        fleet.rollouts[0]
            .control
            .acknowledged
            .insert((seen, outcome));
        fleet.plan();
    };
    acknowledged(&mut fleet, Outcome::Failed);
    assert!(
        fleet.phase(0).is_some(),
        "another end than the one that was looked at"
    );
    acknowledged(&mut fleet, Outcome::RolledBack);
    assert_eq!(fleet.phase(0), None);
    assert_eq!(fleet.state("march", 0), NodeState::RolledBack);
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn a_failure_half_way_keeps_the_slot_too() {
    let mut fleet = two_racks();
    fleet.rollouts[0].spec.failure_threshold = 5;
    fleet.ends(0, Outcome::Failed);
    fleet.plan();
    let outcome = Outcome::Failed;
    assert!(matches!(fleet.phase(0), Some(SlotPhase::Kept { outcome: o, .. }) if o == outcome));
    assert!(fleet.ordered().is_empty());
}

#[test]
fn a_failure_that_changed_nothing_gives_the_slot_back_and_counts() {
    let mut fleet = two_racks();
    fleet.rollouts[0].spec.failure_threshold = 2;
    fleet.ends_as(0, Outcome::Failed, true, "DownloadFailed");
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Failed);
    assert_eq!(fleet.ordered(), ["s1"]);
    fleet.ends_as(1, Outcome::Failed, true, "DownloadFailed");
    fleet.plan();
    assert_eq!(fleet.told("march").count.failed, 2);
    assert_eq!(fleet.told("march").state, RolloutState::Finished);
}

/// scenario: 18 (unit)
#[test]
fn the_failure_threshold_stops_everything_that_has_not_begun() {
    let mut fleet = two_racks();
    fleet.ends_as(0, Outcome::Failed, true, "DownloadFailed");
    fleet.plan();
    let (failed, threshold) = (1, 1);
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::FailureThreshold { failed, threshold }]
    );
    assert_eq!(fleet.told("march").state, RolloutState::Halted);
    assert_eq!(fleet.state("march", 1), NodeState::Waiting);
    assert!(fleet.plan.content().slots.is_empty());
}

#[test]
fn only_a_new_attempt_tries_again_and_only_when_a_person_allows_it() {
    let mut fleet = two_racks();
    let first = attempt(&fleet, 0);
    fleet.ends_as(0, Outcome::Failed, true, "DownloadFailed");
    fleet.plan();
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Failed, "not by itself");
    fleet.rollouts[0].control.retries.insert(id(0), 1);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    let second = attempt(&fleet, 0);
    assert_ne!(first, second);
    fleet.ends_as(0, Outcome::Failed, true, "DownloadFailed");
    fleet.plan();
    assert_eq!(
        fleet.state("march", 0),
        NodeState::Failed,
        "one more try, not two"
    );
}

/// scenario: 17 (unit)
#[test]
fn a_paused_rollout_finishes_what_it_began_and_begins_nothing() {
    let mut fleet = two_racks();
    let at = fleet.now;
    fleet.wishes(Wish::Pause {
        by: "ada".into(),
        at,
    });
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"], "half-done is worse than done");
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert!(fleet.ordered().is_empty());
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::Paused { by: "ada".into() }]
    );
    fleet.wishes(Wish::Run);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"]);
}

/// scenario: 17 (unit)
#[test]
fn a_cancelled_rollout_withdraws_its_tickets_and_keeps_the_slots_until_the_node_has_said_so() {
    let mut fleet = two_racks();
    cancel(&mut fleet);
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(0)];
    assert!(order.content.tickets.is_empty() && order.content.patch.is_none());
    let with = order.generation;
    assert_eq!(
        fleet.phase(0),
        Some(SlotPhase::Withdrawn {
            with,
            by_hand: false
        })
    );
    assert_eq!(fleet.told("march").state, RolloutState::Cancelling);
    fleet.ends_as(0, Outcome::Failed, true, WITHDRAWN);
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
    assert_eq!(fleet.told("march").state, RolloutState::Cancelled);
    assert_eq!(
        fleet.told("march").count.failed,
        0,
        "withdrawn is no failure"
    );
}

#[test]
fn a_withdrawn_attempt_that_was_past_its_last_safe_point_still_counts_as_it_ended() {
    for (outcome, state) in [
        (Outcome::Done, NodeState::Done),
        (Outcome::RolledBack, NodeState::RolledBack),
    ] {
        let mut fleet = two_racks();
        cancel(&mut fleet);
        fleet.plan();
        fleet.ends(0, outcome);
        fleet.plan();
        assert_eq!(fleet.state("march", 0), state);
        assert_eq!(
            fleet.phase(0).is_some(),
            outcome != Outcome::Done,
            "kept after a fallback"
        );
    }
}

#[test]
fn a_withdrawn_ticket_that_the_node_never_saw_ends_with_the_order_without_it() {
    let mut fleet = two_racks();
    cancel(&mut fleet);
    fleet.plan();
    fleet.plan();
    assert!(
        fleet.phase(0).is_some(),
        "the node follows no such order yet"
    );
    fleet.follows(0);
    let (attempt, since) = (attempt(&fleet, 0), fleet.now);
    let running = Running {
        attempt,
        step: "apply".into(),
        safe_point: SafePoint::Finish,
        since,
        doing: None,
    };
    fleet.node(0).orders.as_mut().expect("orders").value.running = Some(running);
    fleet.plan();
    assert!(fleet.phase(0).is_some(), "it runs");
    fleet.node(0).orders.as_mut().expect("orders").value.running = None;
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
    assert_eq!(fleet.told("march").state, RolloutState::Cancelled);
}

fn left(fleet: &Scene) -> WaitingOn {
    let node = fleet.inventory.name(id(0));
    WaitingOn::LeftTheFleet { node }
}

#[test]
fn a_decommissioned_server_keeps_its_slot_and_its_place_until_a_person_has_looked() {
    let mut fleet = two_racks();
    let attempt = attempt(&fleet, 0);
    fleet.node(0).admission = Admission::Decommissioned;
    fleet.node(0).orders = None;
    fleet.pass(SignedDuration::from_hours(100));
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    assert_eq!(fleet.why("march", 0), [left(&fleet)]);
    let why = fleet.why("march", 1);
    assert!(
        matches!(&why[..], [WaitingOn::DomainTaken { by, .. }] if by.as_str() == "s0"),
        "{why:?}"
    );
    let said = &mut fleet.rollouts[0].control.acknowledged;
    said.insert((attempt, Outcome::Unknown));
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Gone);
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn of_a_server_that_is_not_in_the_inventory_nobody_knows_whose_place_it_takes() {
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(racks(2))
        .rollout(spec("march"));
    fleet.node(1).availability = Availability::Unreachable;
    fleet.rollouts[0].spec.failure_threshold = 5;
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    let attempt = attempt(&fleet, 0);
    fleet.node(1).availability = Availability::Online;
    fleet.inventory.nodes.remove(&id(0));
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    assert_eq!(fleet.holds("march"), [left(&fleet)]);
    assert!(fleet.why("march", 0).contains(&left(&fleet)));
    assert_eq!(fleet.phase(1), None, "nothing new is begun");
    let said = &mut fleet.rollouts[0].control.acknowledged;
    said.insert((attempt, Outcome::Unknown));
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Gone);
    assert_eq!(fleet.ordered(), ["s1", "s2"]);
}

#[test]
fn a_server_that_left_while_it_was_only_reserved_or_waited_takes_no_place() {
    let mut fleet = two_racks();
    fleet.node(1).admission = Admission::Decommissioned;
    fleet.plan();
    assert_eq!(fleet.state("march", 1), NodeState::Gone);
}

#[test]
fn of_two_rollouts_that_want_one_node_the_older_one_has_it() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.pass(minutes(1));
    fleet = fleet.rollout(spec("april"));
    fleet.plan();
    let rollout = name("march");
    for n in 0..2 {
        let rollout = rollout.clone();
        assert_eq!(fleet.why("april", n), [WaitingOn::OtherRollout { rollout }]);
    }
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.state("march", 1), NodeState::InSlot);
    assert_eq!(fleet.state("april", 0), NodeState::NothingToDo);
}

#[test]
fn the_cve_lane_goes_first_but_takes_no_slot_away() {
    let mut fleet = two_racks();
    let mut urgent = spec("cve");
    urgent.lane = Lane::Cve;
    fleet.pass(minutes(1));
    fleet = fleet.rollout(urgent);
    fleet.plan();
    assert_eq!(fleet.plan.content().slots[&id(0)].rollout, name("march"));
    let rollout = name("march");
    assert_eq!(fleet.why("cve", 0), [WaitingOn::OtherRollout { rollout }]);
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert_eq!(fleet.plan.content().slots[&id(1)].rollout, name("cve"));
}

#[test]
fn a_node_in_its_slot_is_in_maintenance_and_afterwards_as_its_operator_wants_it() {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    fleet.node(0).wanted = Scheduling::Cordoned;
    fleet.plan();
    let scheduling = |fleet: &Scene| fleet.plan.content().orders[&id(0)].content.scheduling;
    assert_eq!(scheduling(&fleet), Scheduling::InMaintenance);
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert_eq!(scheduling(&fleet), Scheduling::Cordoned);
    fleet.node(0).wanted = Scheduling::Active;
    fleet.plan();
    assert_eq!(scheduling(&fleet), Scheduling::Active);
    assert_eq!(fleet.plan.content().orders[&id(0)].generation.0, 3);
}

#[test]
fn a_slot_of_a_rollout_that_nobody_hands_in_any_more_stays_until_its_end() {
    let mut fleet = two_racks();
    fleet.rollouts.clear();
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
}

#[test]
fn a_node_that_lost_its_ledger_is_not_sent_the_same_act_again_and_its_slot_stays() {
    let mut fleet = two_racks();
    let attempt = attempt(&fleet, 0);
    let new = LedgerId(Uuid::from_u128(4711));
    fleet.node(0).orders.as_mut().expect("orders").value = no_orders(0);
    fleet.node(0).orders.as_mut().expect("orders").value.ledger = new;
    fleet.plan();
    assert!(matches!(fleet.phase(0), Some(SlotPhase::Withdrawn { .. })));
    assert!(
        fleet.plan.content().orders[&id(0)]
            .content
            .tickets
            .is_empty()
    );
    fleet.follows(0);
    fleet.plan();
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::UnknownEnd],
        "what it forgot may have been done"
    );
    assert!(fleet.ordered().is_empty());
    let said = &mut fleet.rollouts[0].control.acknowledged;
    said.insert((attempt, Outcome::Unknown));
    fleet.plan();
    assert_eq!(fleet.phase(0), None);
    assert_eq!(fleet.state("march", 0), NodeState::Failed);
}
