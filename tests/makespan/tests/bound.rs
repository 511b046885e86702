//! The bound binds, and the planner comes close to it.

use std::time::Duration;

use h8lio_makespan::bound::Bound;
use h8lio_makespan::fleet::{Fleet, id, set};
use h8lio_makespan::march::{March, play};
use h8lio_planner::constraints::{Level, Rule};
use jiff::SignedDuration;
use proptest::prelude::*;

fn played(fleet: &Fleet) -> March {
    play(fleet, &|| Duration::ZERO).expect("it comes to its end")
}

fn taking(minutes: &[i64], racks: u32) -> Fleet {
    let mut fleet = Fleet::new(u32::try_from(minutes.len()).expect("few"), racks);
    for (n, minutes) in (0..).zip(minutes) {
        fleet
            .takes
            .insert(id(n), SignedDuration::from_mins(*minutes));
    }
    fleet
}

fn least(fleet: &Fleet) -> i64 {
    Bound::of(fleet).least.as_mins()
}

#[test]
fn each_rule_binds_by_what_may_be_away_at_once() {
    // Racks 0 and 1 in turn: 5 and 6, 7 and 8 minutes.
    let fleet = || taking(&[5, 7, 6, 8], 2);
    let rack = Level::Rack;
    assert_eq!(least(&fleet().with("all", Rule::Nodes(2))), 13);
    assert_eq!(least(&fleet().with("all", Rule::Nodes(9))), 8);
    let one = Rule::Domains {
        level: rack,
        most: 1,
    };
    assert_eq!(least(&fleet().with("racks", one)), 6 + 8);
    let each = Rule::PerDomain {
        level: rack,
        most: 1,
    };
    assert_eq!(least(&fleet().with("racks", each)), 7 + 8);
    assert_eq!(least(&fleet()), 26, "undeclared: one at a time");
}

#[test]
fn members_of_a_quorum_come_on_top_one_at_a_time() {
    let mut fleet = taking(&[5, 7, 6, 8], 2).with("all", Rule::Nodes(4));
    fleet
        .declared
        .push(set("etcd", Rule::Quorum, [id(0), id(1)]));
    let bound = Bound::of(&fleet);
    assert_eq!(bound.least.as_mins(), 8 + (5 + 7));
    assert_eq!(bound.without_order.as_mins(), 12);
    assert_eq!(played(&fleet).makespan.as_mins(), 20);
}

#[test]
fn a_thousand_nodes_in_forty_racks_take_no_longer_than_racks_one_after_the_other() {
    let fleet = Fleet::of_racks(1_000, 40);
    let march = played(&fleet);
    assert_eq!(march.makespan, Bound::of(&fleet).least);
    assert_eq!(march.widest, 25);
}

#[test]
fn clusters_go_beside_one_another_close_to_the_bound() {
    let fleet = Fleet::of_clusters(200, 16, 4);
    let march = played(&fleet);
    let bound = Bound::of(&fleet).least.as_secs_f64();
    let over = march.makespan.as_secs_f64() / bound;
    assert!((1.0..=1.10).contains(&over), "{over}");
}

fn rule() -> impl Strategy<Value = Rule> {
    let level = prop_oneof![Just(Level::Rack), Just(Level::Node), Just(Level::Zone)];
    (0..3_u8, level, 1..4_u32).prop_map(|(kind, level, most)| match kind {
        0 => Rule::Nodes(most),
        1 => Rule::Domains { level, most },
        _ => Rule::PerDomain { level, most },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is played is a schedule that keeps every rule (the linter looks at each plan), so a bound
    /// above it would be none.
    #[test]
    fn no_schedule_is_shorter_than_the_bound(
        minutes in prop::collection::vec(1..30_i64, 1..14),
        racks in 1..5_u32,
        rules in prop::collection::vec(rule(), 0..3),
        quorum in 0..4_u32,
    ) {
        let mut fleet = taking(&minutes, racks);
        for (n, rule) in rules.into_iter().enumerate() {
            fleet = fleet.with(&format!("set-{n}"), rule);
        }
        let members: Vec<_> = fleet.takes.keys().copied().take(quorum as usize).collect();
        if !members.is_empty() {
            fleet.declared.push(set("etcd", Rule::Quorum, members));
        }
        let (bound, march) = (Bound::of(&fleet), played(&fleet));
        prop_assert!(bound.without_order <= bound.least);
        prop_assert!(bound.least <= march.makespan, "{bound:?} {march:?}");
    }
}
