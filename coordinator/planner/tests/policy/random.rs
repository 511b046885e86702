//! Random fleets, random rules, random ends. Every plan is linted, is made a second time and is
//! planned again; and whatever happens, nobody goes whom a set has no place for.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::{Availability, Scheduling};
use h8lio_model::order::{OrderReport, Outcome};
use h8lio_model::plan::{RolloutState, Slot, SlotPhase, Tenant};
use h8lio_model::rollout::{Lane, WaveSize};
use h8lio_planner::constraints::{Level, Rule};
use h8lio_planner::inventory::{AgentSeen, Fact, NodeFacts};
use h8lio_planner::{Answer, WITHDRAWN, Wish};
use proptest::prelude::*;

use crate::support::{Scene, declared, id, minutes, set_of, spec, t0};

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
    /// Every other server has an OSD, and somebody can be asked about it.
    osds: bool,
    /// A second rollout over half of the racks, in the CVE lane.
    urgent: bool,
    away: Vec<bool>,
    steps: Vec<(prop::sample::Index, u8)>,
}

fn worlds() -> impl Strategy<Value = World> {
    let racks = prop::collection::vec(0..4u8, 1..14);
    let rules = (1..3u32, 1..6u32, 1..4u32, 0..4u32);
    let rollout = (
        0..3u32,
        1..5u32,
        0..20i64,
        1..4u32,
        any::<bool>(),
        any::<bool>(),
    );
    let steps = prop::collection::vec((any::<prop::sample::Index>(), 0..32u8), 0..50);
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
            osds: rollout.4,
            urgent: rollout.5,
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
        if world.osds && n % 2 == 0 {
            fleet.node(n).tenants = Some(Fact::new(BTreeSet::from([Tenant::Osd]), t0()));
            fleet.oracles.can_ask.insert(Tenant::Osd);
        }
    }
    if !world.urgent {
        return fleet;
    }
    let mut urgent = spec("urgent");
    urgent.lane = Lane::Cve;
    urgent.selector = "rack=r0,rack=r1".parse().expect("a selector");
    fleet.pass(minutes(1));
    fleet.rollout(urgent)
}

/// Somebody is asked about some of the servers with an OSD that have a slot.
fn is_asked(fleet: &mut Scene, which: impl Fn(u32) -> bool, says: Result<(), String>) {
    let has_osd = |id: &NodeId| {
        let tenants = fleet.inventory.nodes[id].tenants.as_ref();
        tenants.is_some_and(|t| t.value.contains(&Tenant::Osd))
    };
    let union = in_slots(fleet).into_iter().filter(has_osd);
    let union = union.filter(|id| which(number(*id))).collect();
    let (tenant, at) = (Tenant::Osd, fleet.now);
    fleet.oracles.answers.push(Answer {
        tenant,
        union,
        says,
        at,
    });
}

/// Whoever was ordered since then and has an OSD is in a union that somebody said yes to.
fn nobody_with_an_osd_went_unasked(fleet: &Scene, before: &BTreeSet<NodeId>) {
    let slots = fleet.plan.content().slots.iter();
    for (id, _) in
        slots.filter(|(id, slot)| slot.phase == SlotPhase::Ordered && !before.contains(id))
    {
        let tenants = fleet.inventory.nodes[id].tenants.as_ref().expect("tenants");
        let mut answers = fleet.oracles.answers.iter();
        let yes = answers.any(|a| a.says.is_ok() && a.union.contains(id));
        assert!(tenants.value.is_empty() || yes, "{id:?}");
    }
}

/// It follows an order without the ticket, and runs nothing.
fn never_began(report: &OrderReport, slot: &Slot) -> bool {
    let SlotPhase::Withdrawn { with, .. } = slot.phase else {
        return false;
    };
    let follows = report.effective.is_some_and(|mark| mark.generation >= with);
    follows && report.running.is_none()
}

fn ordered(fleet: &Scene) -> BTreeSet<NodeId> {
    let slots = fleet.plan.content().slots.iter();
    let ordered = slots.filter(|(_, slot)| slot.phase != SlotPhase::Reserved);
    ordered.map(|(id, _)| *id).collect()
}

/// The n of server sn.
fn number(id: NodeId) -> u32 {
    u32::try_from(id.as_uuid().as_u128() - 1).expect("small")
}

fn ada() -> String {
    "ada".to_owned()
}

/// Said about any of the rollouts.
fn wishes(fleet: &mut Scene, pick: prop::sample::Index, wish: Wish) {
    pick.get_mut(&mut fleet.rollouts).control.wish = wish;
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
        let n = number(*node);
        let rack = world.racks[usize::try_from(n).expect("small")];
        assert!(racks[&rack] <= world.in_rack, "{racks:?}");
        assert!(!gone(node), "s{n} was away itself");
        if n < world.quorum {
            let members = away.iter().filter(|m| **m < world.quorum).count();
            assert_eq!(members, 1, "two members of the quorum: {away:?}");
            let rollout = &fleet.plan.content().slots[node].rollout;
            let open = fleet.plan.content().rollouts[rollout].nodes.iter();
            let open = open.filter(|(id, n)| {
                id.as_uuid().as_u128() > u128::from(world.quorum) && !n.state.is_settled()
            });
            assert_eq!(open.count(), 0, "members go last");
        }
    }
}

/// Another version is there, or is gone with its update.
fn by_hand(node: &mut NodeFacts) {
    let packages = &mut node.packages.as_mut().expect("packages").value;
    let updates = packages.upgradable.as_mut().expect("known");
    match updates.first_mut() {
        Some(update) if update.installed == "1.0" => update.installed = "1.5".to_owned(),
        _ => updates.clear(),
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
        12 => wishes(fleet, pick, Wish::Pause { by: ada(), at }),
        13 => wishes(fleet, pick, Wish::Run),
        14 if n == 0 => wishes(fleet, pick, Wish::Cancel { by: ada(), at }),
        15 => {
            let node = fleet.node(n);
            node.wanted = match node.wanted {
                Scheduling::Active => Scheduling::InMaintenance,
                _ => Scheduling::Active,
            };
        }
        16 | 17 => is_asked(fleet, |_| true, Ok(())),
        18 => is_asked(fleet, |_| true, Err("not clean".into())),
        19 => is_asked(fleet, |some| some <= n, Err("not clean".into())),
        20 => is_asked(fleet, |some| some >= n, Ok(())),
        // Its agent does not begin for a while, begins what it has, or takes its newest order.
        21 | 22 => {
            if !fleet.idle.remove(&id(n)) {
                fleet.idle.insert(id(n));
            }
        }
        23 if fleet.phase(n) == Some(SlotPhase::Ordered) => fleet.begins(n),
        24 | 25 if has_order => fleet.follows(n),
        // Somebody works on the server by hand, or its agent is another one.
        26 => by_hand(fleet.node(n)),
        27 => {
            let release = |version: &str| version.parse().expect("a release");
            fleet.node(n).agent = Some(AgentSeen {
                version: if pick.index(2) == 0 { "0.1.0" } else { "0.2.0" }.to_owned(),
                newest: release("0.2.0"),
            });
        }
        _ => fleet.pass(minutes(3)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_nobody_goes_whom_there_is_no_place_for(world in worlds()) {
        let mut fleet = scene(&world);
        let mut before = BTreeSet::new();
        fleet.plan();
        nobody_went_whom_there_is_no_place_for(&fleet, &world, &before);
        for (pick, what) in &world.steps {
            before = in_slots(&fleet);
            let under_order = ordered(&fleet);
            let slots = fleet.plan.content().slots.clone();
            happens(&mut fleet, &world, *pick, *what);
            fleet.plan();
            nobody_went_whom_there_is_no_place_for(&fleet, &world, &before);
            nobody_with_an_osd_went_unasked(&fleet, &under_order);
            // What was ordered ends only with a word of the node, or of a person about it.
            for id in under_order.difference(&in_slots(&fleet)) {
                let report = &fleet.inventory.nodes[id].orders.as_ref().expect("orders").value;
                let ended = report.attempt(slots[id].attempt).is_some();
                prop_assert!(ended || never_began(report, &slots[id]), "{id:?} lost its slot");
            }
        }
    }

    #[test]
    fn where_nothing_goes_wrong_every_rollout_comes_to_its_end(world in worlds()) {
        let mut fleet = scene(&World {
            away: vec![false; world.racks.len()],
            osds: false,
            ..world.clone()
        });
        fleet.plan();
        for _ in 0..(world.racks.len() * 6 + 10) {
            let rollouts = fleet.report.as_ref().expect("planned").rollouts.values();
            if rollouts.into_iter().all(|r| r.state == RolloutState::Finished) {
                break;
            }
            fleet.all_done();
            fleet.pass(minutes(world.soak));
            fleet.plan();
        }
        let told = fleet.told("march");
        prop_assert_eq!(told.state, RolloutState::Finished);
        let ended = told.count.done + told.count.nothing_to_do;
        prop_assert_eq!(ended, count(&world.racks));
        prop_assert!(world.urgent || told.count.nothing_to_do == 0);
    }
}
