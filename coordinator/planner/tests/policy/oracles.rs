//! Reserve first, ask about the union second, act third.

use std::collections::BTreeSet;

use h8lio_model::plan::{NodeState, SlotPhase, Tenant, WaitingOn};
use h8lio_model::rollout::Lane;
use h8lio_planner::calendar::{Freeze, FreezeTime};
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

#[test]
fn what_is_only_reserved_is_given_back_when_nothing_is_left_to_do() {
    let mut fleet = three_with_osds();
    fleet.plan();
    let packages = &mut fleet.node(1).packages.as_mut().expect("packages").value;
    packages.upgradable = Some(Vec::new());
    fleet.plan();
    assert_eq!(fleet.phase(1), None);
    assert_eq!(fleet.state("march", 1), NodeState::NothingToDo);
}

#[test]
fn what_is_only_reserved_is_given_back_when_it_would_not_be_done_in_time_any_more() {
    let mut fleet = three_with_osds();
    fleet.plan();
    let from = fleet.now.checked_add(minutes(30)).expect("in range");
    fleet.policy.freezes = vec![Freeze {
        name: "sale".into(),
        when: FreezeTime::Once { from, until: None },
    }];
    fleet.node(2).estimate = minutes(60);
    fleet.plan();
    assert_eq!(fleet.phase(2), None);
    assert_eq!(reserved(&fleet), 2);
}

#[test]
fn a_no_that_was_taken_back_does_not_make_a_new_reservation_give_way() {
    let mut fleet = three_with_osds();
    fleet.plan();
    fleet.pass(minutes(1));
    answers(&mut fleet, &[0], Err("not clean"));
    fleet.plan();
    assert_eq!(
        fleet.phase(0),
        None,
        "who was refused gives way, not the last one"
    );
    fleet.pass(minutes(1));
    answers(&mut fleet, &[0, 1, 2], Ok(()));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1", "s2"]);
    let since = fleet.plan.content().slots[&id(0)].since;
    fleet.pass(minutes(1));
    fleet.plan();
    let slot = &fleet.plan.content().slots[&id(0)];
    assert_eq!((slot.phase, slot.since), (SlotPhase::Reserved, since));
}

/// One server at a time; "later" has reserved s1 and waits to be asked about it when "cve" comes.
fn two_rollouts_and_room_for_one() -> Scene {
    let mut later = spec("later");
    later.selector = "rack=r2".parse().expect("a selector");
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(declared("all", Rule::Nodes(1)))
        .rollout(later);
    for n in 0..2 {
        fleet.node(n).tenants = Some(Fact::new(BTreeSet::from([Tenant::Osd]), t0()));
    }
    fleet.oracles.can_ask.insert(Tenant::Osd);
    fleet.plan();
    assert_eq!(fleet.phase(1), Some(SlotPhase::Reserved));
    fleet.pass(minutes(1));
    let mut cve = spec("cve");
    cve.lane = Lane::Cve;
    let mut fleet = fleet.rollout(cve);
    fleet.plan();
    assert_eq!(fleet.phase(0), None, "there is no room");
    fleet.pass(minutes(1));
    fleet
}

#[test]
fn room_that_a_later_rollout_gives_back_is_taken_in_the_same_plan() {
    let mut fleet = two_rollouts_and_room_for_one();
    let at = fleet.now;
    fleet.wishes(Wish::Pause {
        by: "ada".into(),
        at,
    });
    fleet.plan();
    assert_eq!(fleet.phase(1), None);
    assert_eq!(fleet.phase(0), Some(SlotPhase::Reserved));
}

#[test]
fn room_that_a_refused_union_gives_back_is_taken_in_the_same_plan() {
    let mut fleet = two_rollouts_and_room_for_one();
    answers(&mut fleet, &[1], Err("not clean"));
    fleet.plan();
    assert_eq!(fleet.phase(1), None);
    assert_eq!(fleet.phase(0), Some(SlotPhase::Reserved));
}
