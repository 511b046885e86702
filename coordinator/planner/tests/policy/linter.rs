//! The linter objects to each flaw, and to nothing else.

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::order::{AttemptId, Generation, OrderContent, Outcome};
use h8lio_model::plan::{NodeState, Plan, PlanContent, PlannedOrder, SlotPhase};
use h8lio_planner::check::{Flaw, check};
use h8lio_planner::constraints::{Level, Rule};
use rstest::rstest;
use uuid::Uuid;

use crate::support::{Scene, declared, id, name, racks, spec};

/// s0 and s1 of one rack have slots, s2 of another one waits.
fn planned() -> Scene {
    let mut fleet = Scene::new(&["r1", "r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    fleet
}

/// What the linter says of the plan that follows the present one with this change.
fn flaws(fleet: &Scene, spoil: impl FnOnce(&mut PlanContent)) -> Vec<Flaw> {
    let mut content = fleet.plan.content().clone();
    spoil(&mut content);
    let next = fleet.plan.child(fleet.now, content);
    let mut report = fleet.report.clone().expect("planned");
    report.plan = next.id();
    check(
        &fleet.plan,
        &next,
        &report,
        &fleet.inventory,
        &fleet.constraints(),
    )
}

fn node(n: u32) -> NodeId {
    id(n)
}

fn order(content: &mut PlanContent, n: u32) -> &mut PlannedOrder {
    content.orders.get_mut(&id(n)).expect("an order")
}

fn another() -> AttemptId {
    AttemptId(Uuid::from_u128(77))
}

#[test]
fn a_good_plan_has_no_flaw() {
    assert_eq!(flaws(&planned(), |_| {}), []);
}

#[rstest]
#[case::contradiction(
    |c: &mut PlanContent| { let o = order(c, 0); o.generation = Generation(2); o.content.patch = None; },
    |f: &Flaw| matches!(f, Flaw::Order { node: n, .. } if *n == node(0))
)]
#[case::same_generation_other_content(
    |c: &mut PlanContent| order(c, 0).content.scheduling = Scheduling::Draining,
    |f: &Flaw| *f == Flaw::Generation { node: node(0) }
)]
#[case::generation_for_nothing(
    |c: &mut PlanContent| order(c, 0).generation = Generation(2),
    |f: &Flaw| *f == Flaw::Generation { node: node(0) }
)]
#[case::first_generation(
    |c: &mut PlanContent| {
        let content = OrderContent::quiet(Scheduling::Active);
        c.orders.insert(id(2), PlannedOrder { generation: Generation(5), content });
    },
    |f: &Flaw| *f == Flaw::Generation { node: node(2) }
)]
#[case::dropped_order(
    |c: &mut PlanContent| { c.orders.remove(&id(0)); },
    |f: &Flaw| *f == Flaw::OrderDropped { node: node(0) }
)]
#[case::ticket_without_slot(
    |c: &mut PlanContent| { c.slots.remove(&id(0)); },
    |f: &Flaw| *f == Flaw::TicketWithoutSlot { node: node(0) }
)]
#[case::ticket_beside_a_mere_reservation(
    |c: &mut PlanContent| c.slots.get_mut(&id(0)).expect("a slot").phase = SlotPhase::Reserved,
    |f: &Flaw| *f == Flaw::TicketWithoutSlot { node: node(0) }
)]
#[case::slot_without_ticket(
    |c: &mut PlanContent| c.slots.get_mut(&id(0)).expect("a slot").attempt = another(),
    |f: &Flaw| *f == Flaw::SlotWithoutTicket { node: node(0) }
)]
#[case::slot_of_no_rollout(
    |c: &mut PlanContent| c.slots.get_mut(&id(0)).expect("a slot").rollout = name("april"),
    |f: &Flaw| *f == Flaw::StrangeSlot { node: node(0), rollout: name("april") }
)]
#[case::done_with_a_slot(
    |c: &mut PlanContent| state(c, 0, NodeState::Done),
    |f: &Flaw| matches!(f, Flaw::State { state: NodeState::Done, .. })
)]
#[case::in_slot_without_one(
    |c: &mut PlanContent| state(c, 2, NodeState::InSlot),
    |f: &Flaw| matches!(f, Flaw::State { state: NodeState::InSlot, .. })
)]
#[case::kept_and_going_on(
    |c: &mut PlanContent| {
        let at = c.slots[&id(0)].since;
        let kept = SlotPhase::Kept { outcome: Outcome::Failed, at };
        c.slots.get_mut(&id(0)).expect("a slot").phase = kept;
    },
    |f: &Flaw| matches!(f, Flaw::State { state: NodeState::InSlot, .. })
)]
#[case::over_budget(
    |c: &mut PlanContent| {
        let slot = c.slots[&id(0)].clone();
        c.slots.insert(id(2), slot);
    },
    |f: &Flaw| *f == Flaw::Budget { constraint: "racks".into(), limit: 1, taken: 2 }
)]
#[case::tried_before(
    |c: &mut PlanContent| { let o = order(c, 0); o.generation = Generation(2); o.content.scheduling = Scheduling::Draining; },
    |f: &Flaw| *f == Flaw::AttemptAgain { node: node(0) }
)]
fn each_flaw_is_found(#[case] spoil: fn(&mut PlanContent), #[case] is: fn(&Flaw) -> bool) {
    let found = flaws(&planned(), spoil);
    assert!(found.iter().any(is), "{found:?}");
}

fn state(content: &mut PlanContent, n: u32, state: NodeState) {
    let rollout = content.rollouts.get_mut(&name("march")).expect("a rollout");
    rollout.nodes.get_mut(&id(n)).expect("a node").state = state;
}

#[test]
fn a_server_that_is_away_is_given_no_slot() {
    let mut fleet = planned();
    fleet.node(2).availability = Availability::Suspect;
    let found = flaws(&fleet, |c| {
        let slot = c.slots[&id(0)].clone();
        c.slots.insert(id(2), slot);
    });
    assert!(
        found.contains(&Flaw::SlotForTheAbsent { node: id(2) }),
        "{found:?}"
    );
}

#[test]
fn servers_that_went_down_by_themselves_are_no_flaw_of_the_plan() {
    let mut fleet = planned();
    fleet.node(2).availability = Availability::Unreachable;
    assert_eq!(flaws(&fleet, |_| {}), []);
}

#[test]
fn where_each_rack_has_its_own_limit_a_full_rack_is_no_flaw_of_a_slot_in_another() {
    let capacity = Rule::PerDomain {
        level: Level::Rack,
        most: 1,
    };
    let mut fleet = Scene::new(&["r1", "r1", "r2", "r2"])
        .with(declared("capacity", capacity))
        .rollout(spec("march"));
    fleet.node(0).availability = Availability::Unreachable;
    fleet.node(1).availability = Availability::Unreachable;
    // Linted on the way.
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s2"]);
    let found = flaws(&fleet, |c| {
        let slot = c.slots[&id(2)].clone();
        c.slots.insert(id(3), slot);
    });
    let budget = |f: &&Flaw| matches!(f, Flaw::Budget { .. });
    assert_eq!(found.iter().filter(budget).count(), 1, "{found:?}");
}

#[test]
fn a_node_that_waits_without_a_reason_is_a_flaw() {
    let mut fleet = planned();
    let report = fleet.report.as_mut().expect("planned");
    let part = report.nodes.get_mut(&id(2)).expect("a node");
    part.parts
        .get_mut(&name("march"))
        .expect("a part")
        .waiting
        .clear();
    let (node, rollout) = (id(2), name("march"));
    assert_eq!(flaws(&fleet, |_| {}), [Flaw::NoReason { node, rollout }]);
}

#[test]
fn a_plan_that_follows_another_plan_is_found_and_a_report_of_another_one_too() {
    let fleet = planned();
    let stranger =
        Plan::root(jiff::Timestamp::UNIX_EPOCH).child(fleet.now, fleet.plan.content().clone());
    let report = fleet.report.clone().expect("planned");
    let found = check(
        &fleet.plan,
        &stranger,
        &report,
        &fleet.inventory,
        &fleet.constraints(),
    );
    assert_eq!(found, [Flaw::NotAChild, Flaw::StrangeReport]);
}
