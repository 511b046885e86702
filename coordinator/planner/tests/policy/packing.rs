//! How long a rollout takes beside the shortest that is possible, and beside one at a time.
//! Lengths of plans are compared, not the time that planning takes.

use h8lio_model::rollout::RolloutSpec;
use h8lio_planner::constraints::{Declared, Level, Rule};
use jiff::SignedDuration;

use crate::support::{Scene, declared, id, minutes, racks, set_of, spec};

struct Lengths {
    plan: SignedDuration,
    bound: SignedDuration,
    serial: SignedDuration,
}

impl Lengths {
    fn of(fleet: &mut Scene) -> Self {
        fleet.plan();
        let forecast = fleet.told("march").forecast.clone().expect("a forecast");
        assert_eq!(forecast.left_out, 0);
        let estimates = fleet.inventory.nodes.values().map(|n| n.estimate);
        Self {
            plan: forecast.finish.expect("an end").duration_since(fleet.now),
            bound: forecast.not_before.duration_since(fleet.now),
            serial: estimates.fold(SignedDuration::ZERO, |sum, e| sum + e),
        }
    }

    fn over_the_bound(&self) -> f64 {
        self.plan.as_secs_f64() / self.bound.as_secs_f64()
    }

    fn times_serial(&self) -> f64 {
        self.serial.as_secs_f64() / self.plan.as_secs_f64()
    }
}

/// Servers over racks, round robin; each takes 8 to 15 minutes.
fn fleet(nodes: u32, racks: u32, declared: Vec<Declared>, spec: RolloutSpec) -> Scene {
    let names: Vec<String> = (0..nodes).map(|n| format!("r{}", n % racks)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fleet = Scene::new(&names).rollout(spec);
    fleet.declared = declared;
    for n in 0..nodes {
        fleet.node(n).estimate = minutes(8 + i64::from(n * 7 % 8));
    }
    fleet
}

#[test]
fn a_thousand_servers_in_forty_racks_take_a_fifteenth_of_one_at_a_time() {
    let mut fleet = fleet(1_000, 40, vec![racks(1)], spec("march"));
    let lengths = Lengths::of(&mut fleet);
    assert!(lengths.times_serial() >= 15.0, "{}", lengths.times_serial());
    assert!(
        lengths.over_the_bound() <= 1.10,
        "{}",
        lengths.over_the_bound()
    );
}

#[test]
fn racks_of_different_length_are_packed_side_by_side_close_to_the_bound() {
    for most in [2, 3, 4] {
        let mut fleet = fleet(1_000, 40, vec![racks(most)], spec("march"));
        for n in 0..1_000 {
            fleet.node(n).estimate = minutes(5 + i64::from(n % 40) * 2);
        }
        let lengths = Lengths::of(&mut fleet);
        assert!(
            lengths.over_the_bound() <= 1.10,
            "{most}: {}",
            lengths.over_the_bound()
        );
    }
}

#[test]
fn a_quota_of_nodes_across_racks_is_filled_close_to_the_bound() {
    let capacity = declared(
        "capacity",
        Rule::PerDomain {
            level: Level::Rack,
            most: 3,
        },
    );
    let all = declared("all", Rule::Nodes(60));
    let mut fleet = fleet(1_000, 40, vec![capacity, all], spec("march"));
    let lengths = Lengths::of(&mut fleet);
    assert!(
        lengths.over_the_bound() <= 1.10,
        "{}",
        lengths.over_the_bound()
    );
}

#[test]
fn ten_clusters_go_beside_one_another_with_their_mons_last() {
    let mut declared = Vec::new();
    for cluster in 0..10 {
        let members: Vec<u32> = (0..1_000).filter(|n| n / 100 == cluster).collect();
        let rule = Rule::Domains {
            level: Level::Rack,
            most: 1,
        };
        declared.push(set_of(&format!("ceph-{cluster}"), rule, &members));
        declared.push(set_of(
            &format!("mons-{cluster}"),
            Rule::Quorum,
            &members[..3],
        ));
    }
    let mut fleet = fleet(1_000, 20, declared, spec("march"));
    let lengths = Lengths::of(&mut fleet);
    assert!(
        lengths.over_the_bound() <= 1.10,
        "{}",
        lengths.over_the_bound()
    );
}

#[test]
fn the_forecast_is_what_then_happens_when_every_node_takes_as_long_as_was_thought() {
    let mut fleet = fleet(60, 6, vec![racks(2)], spec("march"));
    fleet.plan();
    let finish = fleet
        .told("march")
        .forecast
        .as_ref()
        .expect("a forecast")
        .finish;
    let mut ends = None;
    while !fleet.plan.content().slots.is_empty() {
        let slots = fleet.plan.content().slots.iter();
        let due = |(id, slot): (&h8lio_model::ids::NodeId, &h8lio_model::plan::Slot)| {
            let estimate = fleet.inventory.nodes[id].estimate;
            (slot.since.checked_add(estimate).expect("in range"), *id)
        };
        let (at, _) = slots.map(due).min().expect("a slot");
        fleet.pass(at.duration_since(fleet.now));
        let due: Vec<u32> = (0..60)
            .filter(|n| {
                let slot = fleet.plan.content().slots.get(&id(*n));
                let estimate = fleet.inventory.nodes[&id(*n)].estimate;
                slot.is_some_and(|s| s.since.checked_add(estimate).expect("in range") <= at)
            })
            .collect();
        for n in due {
            fleet.ends(n, h8lio_model::order::Outcome::Done);
        }
        ends = Some(at);
        fleet.plan();
    }
    assert_eq!(ends, finish);
    assert_eq!(fleet.told("march").count.done, 60);
}
