//! What people read: explanations, and the plan that holds.

use h8lio_model::lifecycle::Availability;
use h8lio_model::plan::{Plan, PlanContent};
use h8lio_planner::explain;
use h8lio_planner::target::{NotTheSuccessor, Target};

use crate::support::{Scene, id, name, racks, spec, t0};

fn fleet() -> Scene {
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(2).availability = Availability::Unreachable;
    fleet
}

#[test]
fn a_node_is_explained_with_what_blocks_it_since_when_and_what_would_end_it() {
    let mut fleet = fleet();
    fleet.node(2).availability = Availability::Online;
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    let told = explain::node(report, id(1)).expect("known");
    assert_eq!(told.reasons.len(), 1);
    assert_eq!(
        told.to_string(),
        "node s1 waits in rollout march (wave 1) (as of 2026-03-02T10:00:00Z)\n\
         - s1: constraint racks: s0 in eu/par1/par1-a/r1 has a slot\n\
         \u{20} since 2026-03-02T10:00:00Z; until one of them is done\n\
         \u{20} expected 2026-03-02T10:10:00Z\n\
         its turn is expected 2026-03-02T10:10:00Z\n"
    );
}

#[test]
fn a_rollout_that_a_dead_server_holds_up_says_so_and_promises_no_end() {
    let mut fleet = fleet();
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    let told = explain::rollout(report, &name("march"))
        .expect("known")
        .to_string();
    for part in [
        "rollout march is waiting: 0 done, 0 in a slot, 3 waiting, 0 failed or rolled back",
        "- s0: constraint racks: s2 in eu/par1/par1-a/r3 is not online\n",
        "until s2 is back, or is decommissioned\n",
        "- s2: the node is Unreachable\n",
        "until the node is heard again and stays\n",
        "no end is in sight",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
}

#[test]
fn the_reason_of_a_rollout_stands_in_the_explanation_of_its_nodes_too() {
    let mut held = spec("march");
    held.health_checks = vec!["shop".into()];
    let mut fleet = Scene::new(&["r1"]).rollout(held);
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    let told = explain::node(report, id(0)).expect("known");
    assert_eq!(
        told.reasons[0].what,
        "health check shop: it has not been run"
    );
    assert_eq!(told.reasons[0].node, None);
}

#[test]
fn a_frozen_coordinator_explains_everything_with_that() {
    let mut fleet = fleet();
    fleet.frozen = Some("agents have seen a newer epoch".into());
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    for told in [
        explain::node(report, id(0)).expect("known"),
        explain::rollout(report, &name("march")).expect("known"),
    ] {
        let what = &told.reasons[0].what;
        assert_eq!(
            what,
            "the coordinator is frozen: agents have seen a newer epoch"
        );
    }
}

#[test]
fn what_nobody_knows_is_not_explained_away() {
    let mut fleet = fleet();
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    let error = explain::rollout(report, &name("april")).expect_err("unknown");
    assert!(error.to_string().contains("no rollout april"), "{error}");
    explain::node(report, id(9)).expect_err("unknown");
}

#[test]
fn a_report_reads_back_from_json() {
    let mut fleet = fleet();
    fleet.plan();
    let report = fleet.report.as_ref().expect("planned");
    let json = serde_json::to_string(report).expect("JSON");
    let read: h8lio_model::plan::PlanReport = serde_json::from_str(&json).expect("reads");
    assert_eq!(read, *report);
}

#[test]
fn of_two_plans_made_from_one_only_the_first_becomes_the_target() {
    let root = Plan::root(t0());
    let mut target = Target::new(root.clone());
    let mut other = PlanContent::default();
    other.orders.clear();
    let first = root.child(t0(), PlanContent::default());
    let second = root.child(
        fleet()
            .now
            .checked_add(jiff::SignedDuration::from_secs(1))
            .expect("in range"),
        other,
    );
    assert_ne!(first.id(), second.id());
    target.advance(first.clone()).expect("the successor");
    target.advance(first.clone()).expect("the same again");
    assert_eq!(
        target.advance(second.clone()),
        Err(NotTheSuccessor::Overtaken {
            plan: second.id(),
            parent: root.id(),
            current: first.id(),
        })
    );
    assert_eq!(
        target.advance(root.clone()),
        Err(NotTheSuccessor::Root {
            plan: root.id(),
            current: first.id(),
        })
    );
    assert_eq!(target.current(), &first);
}
