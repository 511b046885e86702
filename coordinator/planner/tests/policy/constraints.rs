//! Who may be away together.

use std::collections::BTreeSet;

use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::plan::{Absence, Tenant, WaitingOn};
use h8lio_planner::constraints::{BadConstraint, Constraints, Declared, Level, Rule, UNDECLARED};
use h8lio_planner::inventory::Fact;
use h8lio_planner::what_if::{NoQuestion, what_if};
use rstest::rstest;

use crate::support::{Scene, declared, id, minutes, racks, set_of, spec, t0};

const R1: &str = "eu/par1/par1-a/r1";

#[test]
fn where_the_failure_domain_is_the_rack_a_whole_rack_goes_at_once_and_no_other() {
    let mut fleet = Scene::new(&["r1", "r1", "r1", "r2", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1", "s2"]);
    assert_eq!(
        fleet.why("march", 3),
        [WaitingOn::DomainTaken {
            constraint: "racks".into(),
            domain: R1.into(),
            by: "s0".parse().expect("a name"),
            absence: Absence::Slot,
        }]
    );
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s3", "s4"]);
}

#[test]
fn two_racks_of_one_name_in_two_zones_are_two_failure_domains() {
    let mut fleet = Scene::new(&["r1", "r1"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(1).topology = Some("eu/par1/par1-b/r1".parse().expect("a place"));
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 1);
}

#[rstest]
#[case::silent(Absence::NotOnline, |f: &mut Scene| f.node(0).availability = Availability::Unreachable)]
#[case::suspect(Absence::NotOnline, |f: &mut Scene| f.node(0).availability = Availability::Suspect)]
#[case::warming_up(Absence::NotOnline, |f: &mut Scene| f.node(0).availability = Availability::WarmingUp)]
#[case::by_hand(Absence::InMaintenance, |f: &mut Scene| f.node(0).wanted = Scheduling::InMaintenance)]
#[case::drained(Absence::InMaintenance, |f: &mut Scene| f.node(0).wanted = Scheduling::Draining)]
fn a_server_that_is_away_for_another_cause_takes_its_domains_place(
    #[case] absence: Absence,
    #[case] goes: fn(&mut Scene),
) {
    let mut patch = spec("march");
    patch.selector = "name=s1".parse().expect("a selector");
    let mut fleet = Scene::new(&["r1", "r2"]).with(racks(1)).rollout(patch);
    goes(&mut fleet);
    fleet.plan();
    assert_eq!(
        fleet.why("march", 1),
        [WaitingOn::DomainTaken {
            constraint: "racks".into(),
            domain: R1.into(),
            by: "s0".parse().expect("a name"),
            absence,
        }]
    );
}

#[test]
fn a_cordoned_server_still_serves_and_takes_no_place() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.rollouts[0].spec.selector = "name=s1".parse().expect("a selector");
    fleet.node(0).wanted = Scheduling::Cordoned;
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn a_rack_that_lost_a_server_may_still_go_itself() {
    let mut fleet = Scene::new(&["r1", "r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(0).availability = Availability::Unreachable;
    fleet.plan();
    assert_eq!(
        fleet.ordered(),
        ["s1"],
        "nothing gets worse for the other racks"
    );
}

#[test]
fn with_two_racks_down_by_themselves_not_even_their_neighbours_go() {
    let mut fleet = Scene::new(&["r1", "r1", "r2", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(0).availability = Availability::Unreachable;
    fleet.node(2).availability = Availability::Unreachable;
    fleet.plan();
    assert!(fleet.ordered().is_empty());
}

#[test]
fn a_quota_in_each_domain_counts_domain_by_domain() {
    let rule = Rule::PerDomain {
        level: Level::Rack,
        most: 2,
    };
    let mut fleet = Scene::new(&["r1", "r1", "r1", "r2"])
        .with(declared("capacity", rule))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 3);
    let why: Vec<WaitingOn> = (0..3)
        .flat_map(|n| fleet.why("march", n))
        .filter(|w| w.word() == "Quota")
        .collect();
    assert_eq!(
        why,
        [WaitingOn::Quota {
            constraint: "capacity".into(),
            domain: R1.into(),
            limit: 2,
            taken: 2,
        }]
    );
}

#[test]
fn every_set_that_has_no_place_is_named() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .with(declared("one", Rule::Nodes(1)))
        .rollout(spec("march"));
    fleet.plan();
    let words: Vec<_> = fleet.why("march", 1).iter().map(WaitingOn::key).collect();
    assert_eq!(
        words,
        [
            format!("DomainTaken/racks/{R1}/s0"),
            "DomainTaken/one/the set/s0".into()
        ]
    );
}

#[test]
fn who_is_in_no_declared_set_goes_one_at_a_time() {
    let mut fleet = Scene::new(&["r1", "r1", "r1"])
        .with(set_of("declared", Rule::Nodes(5), &[0]))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
    assert_eq!(
        fleet.why("march", 2)[0].key(),
        format!("DomainTaken/{UNDECLARED}/the set/s1")
    );
}

#[test]
fn members_of_a_quorum_go_last_and_one_after_the_other() {
    let mut fleet = Scene::new(&["r1", "r2", "r3", "r4"])
        .with(declared("all", Rule::Nodes(4)))
        .with(set_of("mons", Rule::Quorum, &[0, 1, 2]))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s3"]);
    let (constraint, remaining) = ("mons".to_owned(), 1);
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::QuorumLast {
            constraint: constraint.clone(),
            remaining
        }]
    );
    for n in 0..3 {
        fleet.all_done();
        fleet.plan();
        assert_eq!(fleet.ordered(), [format!("s{n}")]);
    }
    let by = "s2".parse().expect("a name");
    let _: &h8lio_model::ids::NodeName = &by;
    assert_eq!(fleet.why("march", 1), []);
}

#[test]
fn no_member_of_a_quorum_goes_while_another_is_away_for_any_cause() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(declared("all", Rule::Nodes(4)))
        .with(set_of("mons", Rule::Quorum, &[0, 1]))
        .rollout(spec("march"));
    fleet.node(0).availability = Availability::Unreachable;
    fleet.plan();
    let (constraint, by) = ("mons".to_owned(), "s0".parse().expect("a name"));
    assert_eq!(
        fleet.why("march", 1),
        [WaitingOn::QuorumTogether { constraint, by }]
    );
}

#[test]
fn a_set_goes_after_the_set_that_it_was_put_after() {
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(set_of("blue", Rule::Nodes(5), &[0, 1]))
        .with(Declared {
            after: vec!["green".into()],
            ..set_of("all", Rule::Nodes(5), &[0, 1])
        })
        .with(set_of("green", Rule::Nodes(5), &[2]))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s2"]);
    let (constraint, remaining) = ("green".to_owned(), 1);
    assert_eq!(
        fleet.why("march", 0),
        [WaitingOn::After {
            constraint,
            remaining
        }]
    );
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0", "s1"]);
}

fn after(name: &str, before: &str) -> Declared {
    Declared {
        after: vec![before.into()],
        ..declared(name, Rule::Nodes(1))
    }
}

#[rstest]
#[case::twice(
    vec![declared("a", Rule::Nodes(1)), declared("a", Rule::Nodes(2))],
    BadConstraint::Twice { name: "a".into() }
)]
#[case::nobody(
    vec![declared("a", Rule::Domains { level: Level::Zone, most: 0 })],
    BadConstraint::Nobody { name: "a".into() }
)]
#[case::after_what(
    vec![after("a", "b")],
    BadConstraint::AfterUnknown { name: "a".into(), after: "b".into() }
)]
#[case::after_itself(vec![after("a", "a")], BadConstraint::Circle { circle: vec!["a".into(), "a".into()] })]
#[case::circle(
    vec![declared("x", Rule::Nodes(1)), after("a", "b"), after("b", "c"), after("c", "a")],
    BadConstraint::Circle { circle: vec!["a".into(), "b".into(), "c".into(), "a".into()] }
)]
fn constraints_that_contradict_one_another_are_one_clear_error(
    #[case] declared: Vec<Declared>,
    #[case] expected: BadConstraint,
) {
    let fleet = Scene::new(&["r1"]);
    let error = Constraints::resolve(&declared, &fleet.inventory).expect_err("contradiction");
    assert_eq!(error, expected);
}

fn objections(fleet: &Scene, nodes: &[u32]) -> Vec<String> {
    let constraints = fleet.constraints();
    let nodes: BTreeSet<_> = nodes.iter().map(|n| id(*n)).collect();
    let objections = what_if(&fleet.input(&constraints), &nodes).expect("an answer");
    objections
        .iter()
        .map(|o| format!("{} {}", o.node, o.on.key()))
        .collect()
}

#[test]
fn what_if_names_every_constraint_that_says_no_and_who_takes_the_place() {
    let mut fleet = Scene::new(&["r1", "r1", "r2", "r3"])
        .with(racks(1))
        .with(set_of("mons", Rule::Quorum, &[0, 2]));
    assert_eq!(objections(&fleet, &[0, 1]), [""; 0]);
    let both = [
        format!("s2 DomainTaken/racks/{R1}/s0"),
        "s2 QuorumTogether/mons/s0".to_owned(),
    ];
    assert_eq!(objections(&fleet, &[0, 2]), both);
    fleet.node(3).availability = Availability::Unreachable;
    assert_eq!(
        objections(&fleet, &[1]),
        ["s1 DomainTaken/racks/eu/par1/par1-a/r3/s3"]
    );
    assert_eq!(objections(&fleet, &[3]), [""; 0], "it is away already");
}

#[test]
fn what_if_counts_slots_that_were_given_already() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    assert_eq!(
        objections(&fleet, &[1]),
        [format!("s1 DomainTaken/racks/{R1}/s0")]
    );
}

#[test]
fn what_if_says_what_it_cannot_know() {
    let mut fleet = Scene::new(&["r1", "r1", "r1"]).with(racks(1));
    fleet.node(0).tenants = Some(Fact::new(BTreeSet::from([Tenant::Osd]), t0()));
    fleet.node(1).tenants = None;
    fleet.node(2).topology = None;
    fleet.oracles.can_ask = BTreeSet::new();
    let said = objections(&fleet, &[0, 1, 2]);
    for part in [
        "s0 NoOracle/Osd",
        "s1 MissingFact/Workload",
        "s2 MissingFact/Topology",
    ] {
        assert!(
            said.contains(&part.to_owned()),
            "{part} is missing in {said:?}"
        );
    }
    fleet.oracles.can_ask.insert(Tenant::Osd);
    assert_eq!(objections(&fleet, &[0]), ["s0 Oracle/Osd"]);
    fleet.now = t0().checked_add(minutes(60 * 24)).expect("in range");
    assert_eq!(objections(&fleet, &[0]), ["s0 StaleFact/Workload"]);
}

#[test]
fn what_if_of_nobody_or_of_strangers_is_an_error_and_no_yes() {
    let fleet = Scene::new(&["r1"]);
    let constraints = fleet.constraints();
    let input = fleet.input(&constraints);
    assert_eq!(what_if(&input, &BTreeSet::new()), Err(NoQuestion::Nobody));
    let stranger = BTreeSet::from([id(7)]);
    assert_eq!(what_if(&input, &stranger), Err(NoQuestion::Unknown(id(7))));
}
