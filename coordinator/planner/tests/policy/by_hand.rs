//! What people do to a server while a rollout goes on, and agents that are not the ones they were.

use h8lio_model::inventory::{BrokenPackage, Domain, DomainMode, ForeignManager, PackageFacts};
use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::order::Outcome;
use h8lio_model::plan::{Change, FactName, NodeState, SlotPhase, WaitingOn};
use h8lio_planner::inventory::{AgentSeen, NodeFacts};
use jiff::SignedDuration;
use rstest::rstest;
use uuid::Uuid;

use crate::support::{Scene, id, racks, spec, t0, update};

fn packages(node: &mut NodeFacts) -> &mut PackageFacts {
    &mut node.packages.as_mut().expect("packages").value
}

/// s0 of two racks was ordered, and has not begun.
fn ordered() -> Scene {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.idle.extend([id(0), id(1)]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    fleet.follows(0);
    fleet.plan();
    fleet
}

/// The node follows the order without the ticket, and knows nothing of the attempt.
fn says_that_it_did_not_begin(fleet: &mut Scene) {
    fleet.follows(0);
    fleet.plan();
}

fn booted(node: &mut NodeFacts) {
    let boot = node.boot.as_mut().expect("a boot");
    boot.value = h8lio_model::ids::BootId(Uuid::from_u128(77));
}

fn puppet() -> ForeignManager {
    ForeignManager {
        domain: Domain::Patching,
        name: "puppet".into(),
        evidence: Vec::new(),
    }
}

/// scenario: 19 (unit)
#[rstest]
#[case::works_with_apt(
    |n: &mut NodeFacts| packages(n).busy = vec!["apt-get (ada)".into()],
    WaitingOn::PackageManagerBusy { by: "apt-get (ada)".into() }
)]
#[case::leaves_a_package_half_done(
    |n: &mut NodeFacts| packages(n).broken.push(BrokenPackage { name: "vim".into(), state: "unpacked".into() }),
    WaitingOn::PackagesBroken { package: "vim".into(), state: "unpacked".into() }
)]
#[case::boots_it(booted, WaitingOn::OutdatedFact { fact: FactName::Packages, before: Change::Boot })]
#[case::takes_it_out_of_service(
    |n: &mut NodeFacts| {
        n.wanted = Scheduling::InMaintenance;
        n.wanted_by = Some(("ada".into(), t0()));
    },
    WaitingOn::InMaintenance { by: "ada".into() }
)]
#[case::gives_it_to_another_manager(
    |n: &mut NodeFacts| n.managers.as_mut().expect("managers").value.managers.push(puppet()),
    WaitingOn::ForeignManager { domain: Domain::Patching, name: "puppet".into() }
)]
#[case::lets_the_agent_only_look(
    |n: &mut NodeFacts| n.managers.as_mut().expect("managers").value.modes.clear(),
    WaitingOn::NotAllowedToAct { domain: Domain::Patching, mode: DomainMode::Observe }
)]
#[case::goes_back_to_an_older_agent(
    |n: &mut NodeFacts| n.agent = Some(older()),
    WaitingOn::OlderAgent { version: "0.1.0".into(), before: "0.2.0".into() }
)]
fn somebody(#[case] does: fn(&mut NodeFacts), #[case] why: WaitingOn) {
    let mut fleet = ordered();
    does(fleet.node(0));
    fleet.plan();
    let phase = fleet.phase(0);
    assert!(
        matches!(phase, Some(SlotPhase::Withdrawn { .. })),
        "the ticket stands: {phase:?}"
    );
    assert!(fleet.ordered().is_empty(), "its place is given away");
    says_that_it_did_not_begin(&mut fleet);
    assert_eq!(fleet.why("march", 0), [why]);
    assert_eq!(fleet.state("march", 0), NodeState::Waiting);
    assert_eq!(fleet.told("march").count.failed, 0);
}

/// scenario: 19 (unit)
#[rstest]
#[case::installs_another_version(|p: &mut PackageFacts| p.upgradable.as_mut().expect("known")[0].installed = "1.5".into())]
#[case::installs_what_was_ordered(|p: &mut PackageFacts| p.upgradable = Some(Vec::new()))]
#[case::holds_the_package(|p: &mut PackageFacts| p.held.push("openssl".into()))]
#[case::removes_the_package(|p: &mut PackageFacts| p.upgradable = Some(vec![update("zsh", "5.9")]))]
fn an_order_about_packages_that_somebody_changed_is_taken_back_and_says_why(
    #[case] changes: fn(&mut PackageFacts),
) {
    let mut fleet = ordered();
    changes(packages(fleet.node(0)));
    fleet.plan();
    let phase = fleet.phase(0);
    assert!(
        matches!(phase, Some(SlotPhase::Withdrawn { by_hand: true, .. })),
        "{phase:?}"
    );
    assert_eq!(fleet.why("march", 0), [WaitingOn::ChangedByHand]);
    fleet.pass(SignedDuration::from_mins(3));
    fleet.plan();
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::ChangedByHand],
        "it lasts"
    );
    says_that_it_did_not_begin(&mut fleet);
    assert_eq!(fleet.told("march").count.failed, 0);
    // It is planned anew from what is there: another order, or nothing to do.
    let state = fleet.state("march", 0);
    assert!(
        matches!(state, NodeState::InSlot | NodeState::NothingToDo),
        "{state:?}"
    );
    if state == NodeState::InSlot {
        let patch = fleet.plan.content().orders[&id(0)].content.patch.clone();
        let from = patch.expect("a patch").changes()[0].from.clone();
        assert_eq!(from.expect("a version").to_string(), "1.5");
    }
}

/// scenario: 19 (unit)
#[test]
fn what_somebody_changes_after_it_was_begun_is_the_agents_to_observe() {
    let mut fleet = ordered();
    fleet.begins(0);
    packages(fleet.node(0)).upgradable = Some(Vec::new());
    packages(fleet.node(0)).busy = vec!["apt-get".into()];
    fleet.plan();
    assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
    fleet.ends_as(0, Outcome::Failed, false, "PartlyApplied");
    fleet.plan();
    let told = fleet.why("march", 0);
    let outcome = Outcome::Failed;
    assert!(
        told.contains(&WaitingOn::PersonsWord { outcome }),
        "{told:?}"
    );
    assert!(fleet.ordered().is_empty(), "the rollout goes on");
}

fn older() -> AgentSeen {
    AgentSeen {
        version: "0.1.0".into(),
        newest: "0.2.0".parse().expect("a release"),
    }
}

fn with_agent(version: &str) -> Scene {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(2))
        .rollout(spec("march"));
    let version = version.to_owned();
    let seen = AgentSeen { version, ..older() };
    fleet.node(0).agent = Some(seen);
    fleet
}

/// scenario: 33 (unit)
#[rstest]
#[case::older("0.1.0")]
#[case::a_candidate_of_the_same("0.2.0-rc.1")]
#[case::unreadable("two")]
fn a_node_whose_agent_came_back_older_is_not_begun_and_others_are(#[case] version: &str) {
    let mut fleet = with_agent(version);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"]);
    let why = WaitingOn::OlderAgent {
        version: version.to_owned(),
        before: "0.2.0".to_owned(),
    };
    assert_eq!(fleet.why("march", 0), [why]);
}

/// scenario: 33 (unit)
#[test]
fn the_same_or_a_newer_agent_or_one_that_is_accepted_is_begun() {
    for version in ["0.2.0", "0.10.0"] {
        let mut fleet = with_agent(version);
        fleet.plan();
        assert_eq!(fleet.ordered(), ["s0", "s1"], "{version}");
    }
    let mut fleet = with_agent("0.1.0");
    fleet.policy.accept_agent = Some("0.1.0".parse().expect("a release"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    let mut fleet = with_agent("0.0.9");
    fleet.policy.accept_agent = Some("0.1.0".parse().expect("a release"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"], "older than is accepted");
}

/// scenario: 33 (unit)
#[test]
fn an_older_agent_does_not_hold_what_brings_a_newer_one() {
    let mut fleet = with_agent("0.1.0");
    packages(fleet.node(0)).upgradable = Some(vec![update("h8lio-agent", "0.2.0")]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
}

/// scenario: 33 (unit)
#[rstest]
#[case::an_older_one_still(&[("h8lio-agent", "0.1.5")])]
#[case::a_candidate(&[("h8lio-agent", "0.2.0~rc.1")])]
#[case::one_that_is_no_release(&[("h8lio-agent", "two")])]
#[case::with_something_else(&[("h8lio-agent", "0.2.0"), ("openssl", "3.0.2")])]
#[case::something_else(&[("openssl", "3.0.2")])]
fn an_older_agent_is_given_nothing_but_a_newer_agent(#[case] updates: &[(&str, &str)]) {
    let mut fleet = with_agent("0.1.0");
    let updates = updates.iter().map(|(name, to)| update(name, to)).collect();
    packages(fleet.node(0)).upgradable = Some(updates);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"]);
    let told = fleet.why("march", 0);
    let held = |why: &WaitingOn| matches!(why, WaitingOn::OlderAgent { .. });
    assert!(told.iter().any(held), "{told:?}");
}

/// scenario: 33 (unit)
#[rstest]
fn an_older_agent_is_given_a_newer_one_however_its_package_is_numbered(
    #[values("0.2.0", "0.2.0-1", "0.3.0~rc.1", "0.3.0~rc.1-1")] to: &str,
) {
    let mut fleet = with_agent("0.1.0");
    packages(fleet.node(0)).upgradable = Some(vec![update("h8lio-agent", to)]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
}

/// An agent's package that is broken so that it never runs again: nothing is heard, and nothing is
/// concluded from that.
///
/// scenario: 33 (unit)
#[test]
fn an_agent_that_does_not_come_back_from_its_own_update_keeps_its_slot_and_its_place() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    packages(fleet.node(0)).upgradable = Some(vec![update("h8lio-agent", "0.2.0")]);
    fleet.plan();
    fleet.node(0).availability = Availability::Unreachable;
    for _ in 0..3 {
        fleet.pass(SignedDuration::from_hours(5));
        fleet.plan();
        assert_eq!(fleet.phase(0), Some(SlotPhase::Ordered));
        assert_eq!(fleet.ordered(), ["s0"], "nobody goes beside it");
    }
    let why = fleet.why("march", 0);
    let step = Some("apply".to_owned());
    assert_eq!(why, [WaitingOn::TerminalState { step }]);
}
