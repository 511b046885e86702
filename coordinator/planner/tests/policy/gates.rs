//! Every gate says no for its own reason, and the node gets no slot.

use std::collections::BTreeSet;

use h8lio_model::ids::BootId;
use h8lio_model::inventory::{BrokenPackage, Domain, DomainMode, ForeignManager, RebootRequired};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::plan::{Change, FactName, NodeState, RolloutState, Tenant, WaitingOn};
use h8lio_planner::Wish;
use h8lio_planner::inventory::{Fact, NodeFacts};
use jiff::SignedDuration;
use rstest::rstest;
use uuid::Uuid;

use crate::support::{Scene, id, minutes, name, spec, t0, update};

pub(crate) fn one_server() -> Scene {
    Scene::new(&["r1"]).rollout(spec("march"))
}

pub(crate) fn packages(node: &mut NodeFacts) -> &mut h8lio_model::inventory::PackageFacts {
    &mut node.packages.as_mut().expect("packages").value
}

fn missing(fact: FactName) -> WaitingOn {
    WaitingOn::MissingFact { fact }
}

#[rstest]
#[case::unreachable(
    |n: &mut NodeFacts| n.availability = Availability::Unreachable,
    WaitingOn::NotOnline { availability: Availability::Unreachable }
)]
#[case::suspect(
    |n: &mut NodeFacts| n.availability = Availability::Suspect,
    WaitingOn::NotOnline { availability: Availability::Suspect }
)]
#[case::warming_up(
    |n: &mut NodeFacts| n.availability = Availability::WarmingUp,
    WaitingOn::NotOnline { availability: Availability::WarmingUp }
)]
#[case::fenced(
    |n: &mut NodeFacts| n.availability = Availability::Fenced,
    WaitingOn::NotOnline { availability: Availability::Fenced }
)]
#[case::banned(
    |n: &mut NodeFacts| n.restricted = Some("banned".into()),
    WaitingOn::Restricted { how: "banned".into() }
)]
#[case::taken_out_by_a_person(
    |n: &mut NodeFacts| { n.wanted = Scheduling::InMaintenance; n.wanted_by = Some(("ada".into(), t0())); },
    WaitingOn::InMaintenance { by: "ada".into() }
)]
#[case::osd(|n: &mut NodeFacts| tenant(n, Tenant::Osd), WaitingOn::NoOracle { tenant: Tenant::Osd })]
#[case::mon(|n: &mut NodeFacts| tenant(n, Tenant::Mon), WaitingOn::NoOracle { tenant: Tenant::Mon })]
#[case::etcd(|n: &mut NodeFacts| tenant(n, Tenant::Etcd), WaitingOn::NoOracle { tenant: Tenant::Etcd })]
#[case::kubelet(
    |n: &mut NodeFacts| tenant(n, Tenant::Kubelet),
    WaitingOn::NoOracle { tenant: Tenant::Kubelet }
)]
#[case::foreign_manager(
    |n: &mut NodeFacts| n.managers.as_mut().expect("managers").value.managers.push(ForeignManager {
        domain: Domain::Patching, name: "unattended-upgrades".into(), evidence: Vec::new(),
    }),
    WaitingOn::ForeignManager { domain: Domain::Patching, name: "unattended-upgrades".into() }
)]
#[case::the_owner_only_lets_observe(
    |n: &mut NodeFacts| { n.managers.as_mut().expect("managers").value.modes.clear(); },
    WaitingOn::NotAllowedToAct { domain: Domain::Patching, mode: DomainMode::Observe }
)]
#[case::broken_package(
    |n: &mut NodeFacts| packages(n).broken.push(BrokenPackage { name: "vim".into(), state: "half-configured".into() }),
    WaitingOn::PackagesBroken { package: "vim".into(), state: "half-configured".into() }
)]
#[case::dpkg_was_cut_off(
    |n: &mut NodeFacts| packages(n).interrupted = Some(true),
    WaitingOn::PackagesBroken { package: "(dpkg's journal)".into(), state: "interrupted".into() }
)]
#[case::whether_dpkg_was_cut_off_is_not_known(
    |n: &mut NodeFacts| packages(n).interrupted = None,
    missing(FactName::Packages)
)]
#[case::somebody_is_at_work(
    |n: &mut NodeFacts| packages(n).busy.push("apt-get".into()),
    WaitingOn::PackageManagerBusy { by: "apt-get".into() }
)]
#[case::updates_not_known(|n: &mut NodeFacts| packages(n).upgradable = None, missing(FactName::Packages))]
#[case::no_boot_id(|n: &mut NodeFacts| n.boot = None, missing(FactName::Boot))]
#[case::no_release(|n: &mut NodeFacts| n.release = None, missing(FactName::Release))]
#[case::no_packages(|n: &mut NodeFacts| n.packages = None, missing(FactName::Packages))]
#[case::no_tenants(|n: &mut NodeFacts| n.tenants = None, missing(FactName::Workload))]
#[case::no_managers(|n: &mut NodeFacts| n.managers = None, missing(FactName::Managers))]
#[case::no_order_report(|n: &mut NodeFacts| n.orders = None, missing(FactName::Orders))]
fn a_node_waits_for_exactly_this(#[case] spoil: fn(&mut NodeFacts), #[case] on: WaitingOn) {
    let mut fleet = one_server();
    // First planned while all was well, so that the versions are settled.
    fleet.rollouts[0].control.wish = pause();
    fleet.plan();
    fleet.rollouts[0].control.wish = Wish::Run;
    spoil(fleet.node(0));
    fleet.plan();
    let why: BTreeSet<String> = fleet
        .why("march", 0)
        .iter()
        .map(|w| format!("{w:?}"))
        .collect();
    assert_eq!(why, BTreeSet::from([format!("{on:?}")]));
    assert!(fleet.plan.content().slots.is_empty());
}

fn tenant(node: &mut NodeFacts, tenant: Tenant) {
    node.tenants = Some(Fact::new(BTreeSet::from([tenant]), t0()));
}

fn pause() -> Wish {
    Wish::Pause {
        by: "ada".into(),
        at: t0(),
    }
}

#[test]
fn a_healthy_node_passes_every_gate() {
    let mut fleet = one_server();
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn all_reasons_are_said_and_not_the_first_alone() {
    let mut fleet = one_server();
    let node = fleet.node(0);
    node.availability = Availability::Suspect;
    node.restricted = Some("quarantined".into());
    tenant(node, Tenant::Osd);
    packages(node).busy.push("dpkg".into());
    fleet.plan();
    let words: Vec<String> = fleet.why("march", 0).iter().map(WaitingOn::word).collect();
    assert_eq!(
        words,
        ["Restricted", "NotOnline", "NoOracle", "PackageManagerBusy"]
    );
}

#[rstest]
#[case::boot(|n: &mut NodeFacts| n.boot.as_mut().expect("boot").observed_at = t0(), FactName::Boot)]
#[case::release(|n: &mut NodeFacts| n.release.as_mut().expect("release").observed_at = t0(), FactName::Release)]
#[case::packages(|n: &mut NodeFacts| n.packages.as_mut().expect("packages").observed_at = t0(), FactName::Packages)]
#[case::tenants(|n: &mut NodeFacts| n.tenants.as_mut().expect("tenants").observed_at = t0(), FactName::Workload)]
#[case::managers(|n: &mut NodeFacts| n.managers.as_mut().expect("managers").observed_at = t0(), FactName::Managers)]
#[case::orders(|n: &mut NodeFacts| n.orders.as_mut().expect("orders").observed_at = t0(), FactName::Orders)]
fn a_fact_that_is_too_old_is_a_no_with_its_age(
    #[case] freeze: fn(&mut NodeFacts),
    #[case] fact: FactName,
) {
    let mut fleet = one_server();
    let limit = fleet.policy.ages.inventory;
    fleet.rollouts[0].control.wish = pause();
    fleet.plan();
    fleet.pass(limit);
    freeze(fleet.node(0));
    fleet.plan();
    assert_eq!(fleet.why("march", 0), [], "as old as it may be");
    fleet.rollouts[0].control.wish = Wish::Run;
    let second = SignedDuration::from_secs(1);
    fleet.pass(second);
    freeze(fleet.node(0));
    fleet.plan();
    let age = limit + second;
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::StaleFact { fact, age, limit }]
    );
    assert!(fleet.plan.content().slots.is_empty());
}

#[test]
fn a_fact_from_the_future_is_no_fresh_one() {
    let mut fleet = one_server();
    let tomorrow = t0()
        .checked_add(SignedDuration::from_hours(24))
        .expect("in range");
    fleet.node(0).tenants.as_mut().expect("tenants").observed_at = tomorrow;
    fleet.plan();
    let words: Vec<String> = fleet.why("march", 0).iter().map(WaitingOn::word).collect();
    assert_eq!(words, ["StaleFact"]);
}

fn needs_a_boot(fleet: &mut Scene) {
    packages(fleet.node(0)).reboot_required = RebootRequired {
        required: Some(true),
        reasons: Vec::new(),
    };
}

#[test]
fn no_reboot_without_a_way_back() {
    let mut fleet = one_server();
    needs_a_boot(&mut fleet);
    let why = "the environment block is on md".to_owned();
    fleet.node(0).way_back = Some(Fact::new(Err(why.clone()), t0()));
    fleet.plan();
    assert_eq!(fleet.why("march", 0), [WaitingOn::NoWayBack { why }]);
    fleet.node(0).way_back = None;
    fleet.plan();
    assert_eq!(fleet.why("march", 0), [missing(FactName::WayBack)]);
    assert!(fleet.ordered().is_empty());
}

#[test]
fn who_needs_no_reboot_needs_no_way_back() {
    let mut fleet = one_server();
    fleet.node(0).way_back = None;
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn a_pending_reboot_is_done_also_when_no_package_waits() {
    let mut fleet = one_server();
    needs_a_boot(&mut fleet);
    packages(fleet.node(0)).upgradable = Some(Vec::new());
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(0)].content;
    assert!(order.patch.is_none() && order.reboot.is_some());
}

#[test]
fn a_held_package_is_left_out_and_is_a_no_when_it_is_asked_for_by_name() {
    let mut fleet = one_server();
    packages(fleet.node(0)).held.push("openssl".into());
    fleet.plan();
    assert_eq!(
        fleet.told("march").state,
        RolloutState::Finished,
        "nothing to do"
    );
    let mut named = spec("named");
    named.target = "packages:openssl".parse().expect("a target");
    let mut fleet = Scene::new(&["r1"]).rollout(named);
    packages(fleet.node(0)).held.push("openssl".into());
    fleet.plan();
    let package = "openssl".into();
    assert_eq!(fleet.why("named", 0), [WaitingOn::PackageHeld { package }]);
}

#[test]
fn who_was_not_seen_when_the_versions_were_settled_takes_what_the_others_take() {
    let mut fleet = Scene::new(&["r1", "r2"]).rollout(spec("march"));
    let kept = fleet.node(1).packages.take();
    fleet.plan();
    fleet.node(1).packages = kept;
    packages(fleet.node(1)).upgradable = Some(vec![crate::support::update("openssl", "3.0.9")]);
    fleet.all_done();
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(1)].content;
    let changes = order.patch.as_ref().expect("versions").changes();
    assert_eq!(changes[0].to.as_str(), "3.0.2");
}

#[test]
fn where_two_versions_were_settled_and_neither_is_offered_a_person_must_look() {
    let mut fleet = Scene::new(&["r1", "r2", "r3"]).rollout(spec("march"));
    packages(fleet.node(1)).upgradable = Some(vec![crate::support::update("openssl", "3.0.3")]);
    let kept = fleet.node(2).packages.take();
    fleet.plan();
    fleet.node(2).packages = kept;
    packages(fleet.node(2)).upgradable = Some(vec![crate::support::update("openssl", "3.0.9")]);
    fleet.plan();
    assert_eq!(fleet.why("march", 2), [missing(FactName::Version)]);
}

#[test]
fn a_node_in_no_known_rack_waits_where_racks_count_and_only_there() {
    for (declared, waits) in [
        (crate::support::racks(1), true),
        (
            crate::support::declared("all", h8lio_planner::constraints::Rule::Nodes(1)),
            false,
        ),
    ] {
        let mut fleet = one_server().with(declared);
        fleet.node(0).topology = None;
        fleet.plan();
        let expected = waits.then_some(missing(FactName::Topology));
        assert_eq!(
            fleet.why("march", 0).contains(&missing(FactName::Topology)),
            waits
        );
        assert_eq!(fleet.ordered().is_empty(), expected.is_some());
    }
}

#[test]
fn a_health_check_that_fails_is_old_or_was_never_run_makes_the_quota_nothing() {
    let mut patch = spec("march");
    patch.health_checks = vec!["shop".into()];
    let mut fleet = Scene::new(&["r1"]).rollout(patch);
    let complaint = |says: &str| WaitingOn::HealthCheck {
        name: "shop".into(),
        says: says.into(),
    };
    fleet.plan();
    assert_eq!(fleet.holds("march"), [complaint("it has not been run")]);
    fleet
        .health
        .insert("shop".into(), Fact::new(Err("HTTP 500".into()), t0()));
    fleet.plan();
    assert_eq!(fleet.holds("march"), [complaint("HTTP 500")]);
    fleet.health.insert("shop".into(), Fact::new(Ok(()), t0()));
    fleet.now = t0().checked_add(minutes(6)).expect("in range");
    fleet.plan();
    assert_eq!(
        fleet.holds("march"),
        [complaint("it passed 6m ago, and at most 5m are taken")]
    );
    assert!(fleet.ordered().is_empty());
    fleet
        .health
        .insert("shop".into(), Fact::new(Ok(()), fleet.now));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn a_frozen_coordinator_plans_nothing_and_leaves_what_is() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(crate::support::racks(1))
        .rollout(spec("march"));
    fleet.plan();
    let before = fleet.plan.clone();
    fleet.all_done();
    let because = "agents have seen a newer epoch".to_owned();
    fleet.frozen = Some(because.clone());
    fleet.plan();
    assert_eq!(fleet.plan, before);
    let report = fleet.report.as_ref().expect("a report");
    assert_eq!(
        report.waiting[0].on,
        WaitingOn::FrozenCoordinator { because }
    );
    // Who looks at a rollout meanwhile sees how it stood.
    assert!(report.rollouts.contains_key(&name("march")));
    assert!(!report.nodes.is_empty());
}

#[test]
fn a_server_that_is_pending_is_never_part_of_a_rollout() {
    let mut fleet = Scene::new(&["r1", "r1"]).rollout(spec("march"));
    fleet.node(1).admission = Admission::Pending;
    fleet.plan();
    let nodes = &fleet.plan.content().rollouts[&name("march")].nodes;
    assert!(!nodes.contains_key(&id(1)));
}

#[test]
fn who_leaves_the_fleet_before_its_turn_holds_nobody_up() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(crate::support::racks(1))
        .rollout(spec("march"));
    fleet.plan();
    fleet.node(1).admission = Admission::Decommissioned;
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.told("march").state, RolloutState::Finished);
    assert_eq!(fleet.told("march").count.gone, 1);
}

#[test]
fn the_age_of_a_reason_survives_planning_again_and_begins_anew_with_another_reason() {
    let mut fleet = one_server();
    fleet.node(0).availability = Availability::Suspect;
    fleet.plan();
    let since = |fleet: &Scene| {
        let node = &fleet.report.as_ref().expect("planned").nodes[&id(0)];
        node.parts[&name("march")].waiting[0].since
    };
    fleet.pass(minutes(5));
    fleet.plan();
    assert_eq!(since(&fleet), t0());
    fleet.node(0).availability = Availability::Unreachable;
    fleet.plan();
    assert_eq!(since(&fleet), fleet.now);
}

#[test]
fn packages_that_were_read_before_the_last_boot_or_attempt_are_no_news_however_fresh() {
    let mut fleet = one_server();
    let read_in = packages(fleet.node(0)).boot_id;
    fleet.node(0).boot = Some(Fact::new(BootId(Uuid::from_u128(99)), t0()));
    let outdated = |before| WaitingOn::OutdatedFact {
        fact: FactName::Packages,
        before,
    };
    fleet.plan();
    assert!(fleet.why("march", 0).contains(&outdated(Change::Boot)));
    assert!(fleet.plan.content().slots.is_empty());
    fleet.node(0).boot = Some(Fact::new(read_in.expect("a boot"), t0()));
    let ended = AttemptId(Uuid::from_u128(7));
    let orders = &mut fleet.node(0).orders.as_mut().expect("orders").value;
    orders.last_ended = Some(ended);
    fleet.plan();
    assert!(fleet.why("march", 0).contains(&outdated(Change::Attempt)));
    assert!(fleet.plan.content().slots.is_empty());
    packages(fleet.node(0)).after = Some(ended);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

/// The server was patched and booted, and its agent has not read its packages since: it would be
/// booted once more.
#[test]
fn what_was_wanted_before_an_attempt_is_not_wanted_again_after_it() {
    let mut fleet = one_server();
    needs_a_boot(&mut fleet);
    fleet.plan();
    let before = packages(fleet.node(0)).clone();
    fleet.ends(0, Outcome::Done);
    let after = std::mem::replace(packages(fleet.node(0)), before);
    fleet = fleet.rollout(spec("april"));
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Done);
    assert!(fleet.ordered().is_empty());
    assert_eq!(fleet.state("april", 0), NodeState::Waiting);
    *packages(fleet.node(0)) = after;
    fleet.plan();
    assert_eq!(fleet.state("april", 0), NodeState::NothingToDo);
}

#[test]
fn an_index_that_is_older_than_a_day_says_nothing_of_what_is_offered() {
    let mut fleet = one_server();
    let hours = SignedDuration::from_hours;
    let (fact, limit) = (FactName::PackageIndex, hours(24));
    packages(fleet.node(0)).index_updated_at = Some(t0() - hours(25));
    packages(fleet.node(0)).upgradable = Some(Vec::new());
    fleet.plan();
    let age = hours(25);
    let old = WaitingOn::StaleFact { fact, age, limit };
    assert_eq!(fleet.why("march", 0), std::slice::from_ref(&old));
    assert!(old.unblocked_by().contains("apt-get update"));
    assert_eq!(
        fleet.state("march", 0),
        NodeState::Waiting,
        "not: nothing to do"
    );
    packages(fleet.node(0)).index_updated_at = None;
    fleet.plan();
    assert_eq!(fleet.why("march", 0), [missing(fact)]);
    packages(fleet.node(0)).index_updated_at = Some(t0() - hours(24));
    packages(fleet.node(0)).upgradable = Some(vec![update("openssl", "3.0.2")]);
    fleet.plan();
    assert_eq!(
        fleet.ordered(),
        ["s0"],
        "and its versions are settled only now"
    );
}

#[test]
fn a_reboot_asks_for_no_index() {
    let mut patch = spec("march");
    patch.target = "reboot-only".parse().expect("a target");
    let mut fleet = Scene::new(&["r1"]).rollout(patch);
    packages(fleet.node(0)).index_updated_at = None;
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn what_a_check_said_before_a_node_was_changed_does_not_count_for_the_next() {
    let mut patch = spec("march");
    patch.health_checks = vec!["shop".into()];
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(crate::support::racks(1))
        .rollout(patch);
    fleet.health.insert("shop".into(), Fact::new(Ok(()), t0()));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    let second = SignedDuration::from_secs(1);
    fleet.now = t0() + second;
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    let (name, since) = ("shop".to_owned(), fleet.now);
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::HealthCheckUnasked { name, since }]
    );
    assert!(fleet.ordered().is_empty());
    fleet
        .health
        .insert("shop".into(), Fact::new(Ok(()), fleet.now));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn a_check_that_was_not_asked_since_takes_no_ticket_back() {
    let mut patch = spec("march");
    patch.health_checks = vec!["shop".into()];
    let mut fleet = Scene::new(&["r1", "r1"])
        .with(crate::support::racks(1))
        .rollout(patch);
    fleet.health.insert("shop".into(), Fact::new(Ok(()), t0()));
    fleet.idle.insert(id(1));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    fleet.now = t0() + SignedDuration::from_secs(1);
    fleet.ends(0, Outcome::Done);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"], "it had its leave before");
}
