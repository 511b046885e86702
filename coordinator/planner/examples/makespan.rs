//! How long rollouts over large fleets take by plan, beside the lower bound, one at a time and five
//! at a time, and how long planning takes. Prints one row a fleet:
//! `cargo run --release -p h8lio-planner --example makespan`.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

#[allow(
    dead_code,
    reason = "the tests' fleet in words; only some of it is needed"
)]
#[path = "../tests/policy/support.rs"]
mod support;

use std::time::{Duration, Instant};

use h8lio_planner::constraints::{Declared, Level, Rule};
use h8lio_planner::plan;
use jiff::SignedDuration;

use support::{Scene, declared, minutes, name, racks, set_of, spec};

fn main() {
    println!(
        "{:<34} {:>9} {:>9} {:>7} {:>8} {:>9} {:>10} {:>10}",
        "fleet", "plan", "bound", "/bound", "x serial", "x five", "first plan", "next plan"
    );
    row(
        "1,000 nodes, 40 racks, rack by rack",
        &mut fleet(1_000, 40, vec![racks(1)]),
    );
    row(
        "5,000 nodes, 10 clusters, mons last",
        &mut fleet(5_000, 100, clusters(5_000, 10)),
    );
    row(
        "5,000 nodes, 60 at once, 3 in a rack",
        &mut fleet(5_000, 200, quotas()),
    );
}

/// Servers over racks, round robin; each takes 8 to 15 minutes.
fn fleet(nodes: u32, racks: u32, declared: Vec<Declared>) -> Scene {
    let names: Vec<String> = (0..nodes).map(|n| format!("r{}", n % racks)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fleet = Scene::new(&names).rollout(spec("march"));
    fleet.declared = declared;
    for n in 0..nodes {
        fleet.node(n).estimate = minutes(8 + i64::from(n * 7 % 8));
    }
    fleet
}

fn clusters(nodes: u32, count: u32) -> Vec<Declared> {
    let rule = Rule::Domains {
        level: Level::Rack,
        most: 1,
    };
    let sets = (0..count).flat_map(|cluster| {
        let members: Vec<u32> = (0..nodes)
            .filter(|n| n * count / nodes == cluster)
            .collect();
        [
            set_of(&format!("ceph-{cluster}"), rule, &members),
            set_of(&format!("mons-{cluster}"), Rule::Quorum, &members[..5]),
        ]
    });
    sets.collect()
}

fn quotas() -> Vec<Declared> {
    let capacity = Rule::PerDomain {
        level: Level::Rack,
        most: 3,
    };
    vec![
        declared("capacity", capacity),
        declared("all", Rule::Nodes(60)),
    ]
}

fn row(what: &str, fleet: &mut Scene) {
    let first = planned(fleet);
    let next = planned(fleet);
    let forecast = fleet.told("march").forecast.clone().expect("a forecast");
    let length = forecast.finish.expect("an end").duration_since(fleet.now);
    let bound = forecast.not_before.duration_since(fleet.now);
    let estimates: Vec<SignedDuration> =
        fleet.inventory.nodes.values().map(|n| n.estimate).collect();
    let serial: f64 = estimates.iter().map(SignedDuration::as_secs_f64).sum();
    let five = at_once(&estimates, 5);
    println!(
        "{what:<34} {:>9} {:>9} {:>7.3} {:>8.1} {:>9.1} {:>7} ms {:>7} ms",
        format!("{length:#}"),
        format!("{bound:#}"),
        length.as_secs_f64() / bound.as_secs_f64(),
        serial / length.as_secs_f64(),
        five / length.as_secs_f64(),
        first.as_millis(),
        next.as_millis(),
    );
}

/// The shortest that so many at a time could take, if any five could go together.
fn at_once(estimates: &[SignedDuration], count: usize) -> f64 {
    let sum: f64 = estimates.iter().map(SignedDuration::as_secs_f64).sum();
    sum / f64::from(u32::try_from(count).expect("few"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the planner reads no clock; who measures it does"
)]
fn planned(fleet: &mut Scene) -> Duration {
    let constraints = fleet.constraints();
    let begun = Instant::now();
    let (made, report) = plan(&fleet.input(&constraints));
    let took = begun.elapsed();
    assert!(
        report.rollouts.contains_key(&name("march")),
        "nothing was planned"
    );
    fleet.plan = made;
    fleet.report = Some(report);
    took
}
