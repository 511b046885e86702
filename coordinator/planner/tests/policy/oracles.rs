//! Reserve first, ask about the union second, act third.

use std::collections::BTreeSet;

use h8lio_model::plan::{SlotPhase, Tenant, WaitingOn};
use h8lio_planner::inventory::Fact;
use h8lio_planner::{Answer, Wish};
use jiff::SignedDuration;

use crate::support::{Scene, declared, id, minutes, spec, t0};
use h8lio_planner::constraints::Rule;

/// Three servers with OSDs that could go together, as far as the constraints know.
fn three_with_osds() -> Scene {
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(declared("all", Rule::Nodes(3)))
        .rollout(spec("march"));
    for n in 0..3 {
        fleet.node(n).tenants = Some(Fact::new(BTreeSet::from([Tenant::Osd]), t0()));
    }
    fleet.oracles.can_ask.insert(Tenant::Osd);
    fleet
}

fn answers(fleet: &mut Scene, union: &[u32], says: Result<(), &str>) {
    fleet.oracles.answers.push(Answer {
        tenant: Tenant::Osd,
        union: union.iter().map(|n| id(*n)).collect(),
        says: says.map_err(str::to_owned),
        at: fleet.now,
    });
}

fn reserved(fleet: &Scene) -> usize {
    let slots = fleet.plan.content().slots.values();
    slots.filter(|s| s.phase == SlotPhase::Reserved).count()
}

#[test]
fn nothing_is_ordered_before_the_union_of_all_that_is_reserved_was_asked_about() {
    let mut fleet = three_with_osds();
    fleet.plan();
    assert_eq!((reserved(&fleet), fleet.ordered().len()), (3, 0));
    let (tenant, says) = (
        Tenant::Osd,
        "not asked yet about 3 nodes together".to_owned(),
    );
    assert_eq!(fleet.why("march", 0), [WaitingOn::Oracle { tenant, says }]);
    fleet.pass(minutes(1));
    answers(&mut fleet, &[0, 1], Ok(()));
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 0, "it was not asked about all three");
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 3);
}

#[test]
fn leave_that_was_given_before_the_reservation_is_none() {
    let mut fleet = three_with_osds();
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    fleet.plan();
    assert_eq!(
        (reserved(&fleet), fleet.ordered().len()),
        (3, 0),
        "not even of the same moment"
    );
    fleet.pass(minutes(1));
    fleet.plan();
    assert_eq!((reserved(&fleet), fleet.ordered().len()), (3, 0));
}

#[test]
fn old_leave_is_none() {
    let mut fleet = three_with_osds();
    fleet.plan();
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    let limit = fleet.policy.ages.answers;
    fleet.pass(limit + SignedDuration::from_secs(1));
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 0);
}

#[test]
fn of_a_union_that_is_refused_whoever_came_last_gives_way_until_it_may_go() {
    let mut fleet = three_with_osds();
    fleet.plan();
    fleet.pass(minutes(1));
    let no = "12 placement groups would go below min_size";
    answers(&mut fleet, &[0, 1, 2], Err(no));
    fleet.plan();
    assert_eq!((reserved(&fleet), fleet.ordered().len()), (2, 0));
    let (tenant, says) = (Tenant::Osd, no.to_owned());
    assert_eq!(fleet.why("march", 2), [WaitingOn::Oracle { tenant, says }]);
    answers(&mut fleet, &[0, 1], Ok(()));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    assert_eq!(
        reserved(&fleet),
        0,
        "s2 with the others was refused a moment ago"
    );
    fleet.pass(minutes(6));
    fleet.plan();
    assert_eq!(reserved(&fleet), 1, "an old no is asked about again");
}

#[test]
fn a_later_yes_takes_an_earlier_no_back() {
    let mut fleet = three_with_osds();
    fleet.plan();
    answers(&mut fleet, &[0, 1, 2], Err("not clean"));
    fleet.plan();
    assert_eq!(reserved(&fleet), 2);
    fleet.pass(minutes(1));
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    fleet.plan();
    assert_eq!(
        (reserved(&fleet), fleet.ordered().len()),
        (1, 2),
        "asked for before s2 came back"
    );
}

#[test]
fn a_server_with_an_osd_beside_another_tenant_needs_leave_for_both() {
    let mut fleet = three_with_osds();
    let both = BTreeSet::from([Tenant::Osd, Tenant::Kubelet]);
    fleet.node(0).tenants = Some(Fact::new(both, t0()));
    fleet.plan();
    let (tenant, words) = (Tenant::Kubelet, fleet.why("march", 0));
    assert_eq!(words, [WaitingOn::NoOracle { tenant }]);
    fleet.oracles.can_ask.insert(Tenant::Kubelet);
    fleet.plan();
    fleet.pass(minutes(1));
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    fleet.plan();
    assert_eq!(
        fleet.ordered(),
        ["s1", "s2"],
        "nobody was asked about the kubelet"
    );
}

#[test]
fn what_is_only_reserved_is_given_back_at_once_when_the_rollout_is_paused() {
    let mut fleet = three_with_osds();
    fleet.plan();
    let at = fleet.now;
    fleet.wishes(Wish::Pause {
        by: "ada".into(),
        at,
    });
    fleet.plan();
    assert!(fleet.plan.content().slots.is_empty());
    assert!(
        fleet.plan.content().orders.is_empty(),
        "nobody was ordered anything"
    );
}

#[test]
fn what_is_only_reserved_is_given_back_when_the_node_itself_says_no_by_now() {
    let mut fleet = three_with_osds();
    fleet.plan();
    fleet.node(1).restricted = Some("banned".into());
    fleet.plan();
    assert_eq!(fleet.phase(1), None);
    assert_eq!(reserved(&fleet), 2);
}
