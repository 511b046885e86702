//! Random fleets, random rules, random ends. Every plan is linted, is made a second time and is
//! planned again; and whatever happens, nobody goes whom a set has no place for.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::order::Outcome;
use h8lio_model::plan::{NodeState, RolloutState, SlotPhase};
use h8lio_model::rollout::WaveSize;
use h8lio_planner::constraints::{Level, Rule};
use h8lio_planner::{WITHDRAWN, Wish};
use proptest::prelude::*;

use crate::support::{Scene, declared, id, minutes, name, set_of, spec};

#[derive(Debug, Clone)]
struct World {
    racks: Vec<u8>,
    most_racks: u32,
    most_nodes: u32,
    in_rack: u32,
    quorum: u32,
    canary: u32,
    wave: u32,
    soak: i64,
    threshold: u32,
    away: Vec<bool>,
    steps: Vec<(prop::sample::Index, u8)>,
}

fn worlds() -> impl Strategy<Value = World> {
    let racks = prop::collection::vec(0..4u8, 1..14);
    let rules = (1..3u32, 1..6u32, 1..4u32, 0..4u32);
    let rollout = (0..3u32, 1..5u32, 0..20i64, 1..4u32);
    let steps = prop::collection::vec((any::<prop::sample::Index>(), 0..16u8), 0..40);
    (racks, rules, rollout, steps).prop_flat_map(|(racks, rules, rollout, steps)| {
        let away = prop::collection::vec(prop::bool::weighted(0.1), racks.len());
        away.prop_map(move |away| World {
            racks: racks.clone(),
            most_racks: rules.0,
            most_nodes: rules.1,
            in_rack: rules.2,
            quorum: rules.3,
            canary: rollout.0,
            wave: rollout.1,
            soak: rollout.2,
            threshold: rollout.3,
            away,
            steps: steps.clone(),
        })
    })
}

fn scene(world: &World) -> Scene {
    let names: Vec<String> = world.racks.iter().map(|r| format!("r{r}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut patch = spec("march");
    patch.canary = world.canary;
    patch.waves = vec![WaveSize::Nodes(world.wave)];
    patch.soak = minutes(world.soak);
    patch.failure_threshold = world.threshold;
    let rack = Level::Rack;
    let quorum: Vec<u32> = (0..count(&world.racks).min(world.quorum)).collect();
    let mut fleet = Scene::new(&names)
        .with(declared(
            "racks",
            Rule::Domains {
                level: rack,
                most: world.most_racks,
            },
        ))
        .with(declared("nodes", Rule::Nodes(world.most_nodes)))
        .with(declared(
            "capacity",
            Rule::PerDomain {
                level: rack,
                most: world.in_rack,
            },
        ))
        .with(set_of("mons", Rule::Quorum, &quorum))
        .rollout(patch);
    for (n, away) in (0..).zip(&world.away) {
        fleet.node(n).estimate = minutes(5 + i64::from(n % 3) * 5);
        if *away {
            fleet.node(n).availability = Availability::Unreachable;
        }
    }
    fleet
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("few")
}

fn in_slots(fleet: &Scene) -> BTreeSet<NodeId> {
    fleet.plan.content().slots.keys().copied().collect()
}

/// Counted anew from the racks of this world, without the planner's own counting.
fn nobody_went_whom_there_is_no_place_for(fleet: &Scene, world: &World, before: &BTreeSet<NodeId>) {
    let now = in_slots(fleet);
    let new: BTreeSet<_> = now.difference(before).copied().collect();
    let gone = |id: &NodeId| {
        let node = &fleet.inventory.nodes[id];
        node.availability != Availability::Online || node.wanted == Scheduling::InMaintenance
    };
    let away: Vec<u32> = (0..count(&world.racks))
        .filter(|n| now.contains(&id(*n)) || gone(&id(*n)))
        .collect();
    let mut racks: BTreeMap<u8, u32> = BTreeMap::new();
    for n in &away {
        *racks
            .entry(world.racks[usize::try_from(*n).expect("small")])
            .or_default() += 1;
    }
    if new.is_empty() {
        return;
    }
    assert!(count(&away) <= world.most_nodes, "{away:?}");
    assert!(
        racks.len() <= usize::try_from(world.most_racks).expect("small"),
        "{racks:?}"
    );
    for node in &new {
        let n = u32::try_from(node.as_uuid().as_u128() - 1).expect("small");
        let rack = world.racks[usize::try_from(n).expect("small")];
        assert!(racks[&rack] <= world.in_rack, "{racks:?}");
        assert!(!gone(node), "s{n} was away itself");
        if n < world.quorum {
            let members = away.iter().filter(|m| **m < world.quorum).count();
            assert_eq!(members, 1, "two members of the quorum: {away:?}");
            let open = fleet.plan.content().rollouts[&name("march")].nodes.iter();
            let open = open.filter(|(id, n)| {
                id.as_uuid().as_u128() > u128::from(world.quorum) && !n.state.is_settled()
            });
            assert_eq!(open.count(), 0, "members go last");
        }
    }
}

/// One thing that happens in a fleet.
fn happens(fleet: &mut Scene, world: &World, pick: prop::sample::Index, what: u8) {
    let n = u32::try_from(pick.index(world.racks.len())).expect("small");
    let has_order = matches!(
        fleet.phase(n),
        Some(SlotPhase::Ordered | SlotPhase::Withdrawn { .. })
    );
    let at = fleet.now;
    match what {
        0..=4 if has_order => fleet.ends(n, Outcome::Done),
        5 if has_order => fleet.ends_as(n, Outcome::Failed, true, "DownloadFailed"),
        6 if has_order => fleet.ends(n, Outcome::Failed),
        7 if has_order => fleet.ends_as(n, Outcome::RolledBack, true, "LinkLost"),
        8 if has_order => fleet.ends(n, Outcome::Unknown),
        9 if matches!(fleet.phase(n), Some(SlotPhase::Withdrawn { .. })) => {
            fleet.ends_as(n, Outcome::Failed, true, WITHDRAWN);
        }
        10 => {
            let attempt = fleet.plan.content().slots.get(&id(n)).map(|s| s.attempt);
            let said = attempt
                .into_iter()
                .flat_map(|a| Outcome::ALL.map(|o| (a, o)));
            fleet.rollouts[0].control.acknowledged.extend(said);
            fleet.rollouts[0].control.retries.insert(id(n), 2);
        }
        11 => {
            let node = fleet.node(n);
            node.availability = match node.availability {
                Availability::Online => Availability::Suspect,
                _ => Availability::Online,
            };
        }
        12 => fleet.wishes(Wish::Pause {
            by: "ada".into(),
            at,
        }),
        13 => fleet.wishes(Wish::Run),
        14 if n == 0 => fleet.wishes(Wish::Cancel {
            by: "ada".into(),
            at,
        }),
        15 => {
            let node = fleet.node(n);
            node.wanted = match node.wanted {
                Scheduling::Active => Scheduling::InMaintenance,
                _ => Scheduling::Active,
            };
        }
        _ => fleet.pass(minutes(7)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_nobody_goes_whom_there_is_no_place_for(world in worlds()) {
        let mut fleet = scene(&world);
        let mut before = BTreeSet::new();
        let mut ended: BTreeMap<NodeId, u32> = BTreeMap::new();
        fleet.plan();
        nobody_went_whom_there_is_no_place_for(&fleet, &world, &before);
        for (pick, what) in &world.steps {
            before = in_slots(&fleet);
            happens(&mut fleet, &world, *pick, *what);
            fleet.plan();
            nobody_went_whom_there_is_no_place_for(&fleet, &world, &before);
            for id in before.difference(&in_slots(&fleet)) {
                *ended.entry(*id).or_default() += 1;
            }
        }
        // No node has had more slots than tries, and each try was another attempt.
        for (node, times) in ended {
            let progress = fleet.plan.content().rollouts[&name("march")].nodes[&node];
            prop_assert!(times <= progress.tries);
        }
    }

    #[test]
    fn where_nothing_goes_wrong_every_rollout_comes_to_its_end(world in worlds()) {
        let mut fleet = scene(&World { away: vec![false; world.racks.len()], ..world.clone() });
        fleet.plan();
        for _ in 0..(world.racks.len() * 6 + 10) {
            if fleet.told("march").state == RolloutState::Finished {
                break;
            }
            fleet.all_done();
            fleet.pass(minutes(world.soak));
            fleet.plan();
        }
        let told = fleet.told("march");
        prop_assert_eq!(told.state, RolloutState::Finished);
        prop_assert_eq!(told.count.done, count(&world.racks));
        prop_assert!(fleet.plan.content().rollouts[&name("march")].nodes.values().all(|n| n.state == NodeState::Done));
    }
}
