//! The first look at a rollout: who takes part, which versions are meant, who goes in which wave.
//! Who cannot be asked then is asked later: a server that was not heard has not nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::NodeId;
use h8lio_model::order::Architecture;
use h8lio_model::plan::{FactName, NodeProgress, NodeState, ResolvedPackage, RolloutProgress};
use h8lio_model::rollout::{RolloutSpec, WaveSize};

use crate::constraints::{Constraints, Rule};
use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout};
use crate::inventory::{Inventory, fresh};
use crate::kernels;
use crate::priority::Priorities;
use crate::steps::{holds, packages};
use crate::versions;

pub(crate) fn plan(input: &PlanningInput<'_>, draft: &mut Draft, rollout: &Rollout) {
    let known = draft.content.rollouts.entry(rollout.name().clone());
    let progress = known.or_insert_with(|| first(input, rollout));
    let mut rows: BTreeSet<_> = progress.resolved.drain(..).collect();
    let settled: BTreeSet<_> = rows.iter().map(package).collect();
    progress.unread.retain(|id| {
        let Some(meant) = meant(input, rollout, *id) else {
            return true;
        };
        // What others were asked about has its version; a later one is the next rollout's.
        rows.extend(
            meant
                .into_iter()
                .filter(|row| !settled.contains(&package(row))),
        );
        false
    });
    progress.resolved = rows.into_iter().collect();
}

fn first(input: &PlanningInput<'_>, rollout: &Rollout) -> RolloutProgress {
    let members = input.inventory.selected(&rollout.spec.selector);
    let waves = waves(&rollout.spec, &members, input.inventory, input.constraints);
    let nodes = members.iter().map(|id| {
        let node = NodeProgress {
            state: NodeState::Waiting,
            wave: waves[id],
            tries: 0,
            since: input.now,
        };
        (*id, node)
    });
    RolloutProgress {
        begun_at: input.now,
        resolved: Vec::new(),
        wave: waves.values().copied().min().unwrap_or(0),
        nodes: nodes.collect(),
        unread: members,
    }
}

/// What a version is settled for.
fn package(row: &ResolvedPackage) -> (String, String, Architecture) {
    let subject = kernels::settled_as(row.name.as_str());
    (row.release.clone(), subject, row.architecture.clone())
}

/// The versions that a node is offered now and the target means. `None` while it cannot be asked.
fn meant(input: &PlanningInput<'_>, rollout: &Rollout, id: NodeId) -> Option<Vec<ResolvedPackage>> {
    let limit = input.policy.ages.inventory;
    let node = input.inventory.get(id)?;
    let release = fresh(node.release.as_ref(), FactName::Release, input.now, limit).ok()?;
    let facts = packages::known(input, node).ok()?;
    packages::offered(input, &rollout.spec.target, facts).ok()?;
    if !holds::reasons(&rollout.spec.target, node, facts).is_empty() {
        // What is held is not offered, and is settled when it is let go.
        return None;
    }
    let offered = facts.upgradable.as_ref()?.iter();
    let meant = offered.filter(|update| versions::is_meant(&rollout.spec.target, update));
    let kernels = kernels::arriving(&rollout.spec.target, facts);
    Some(
        meant
            .filter_map(|update| versions::row(release, update))
            .chain(kernels.filter_map(|package| kernels::row(release, package)))
            .collect(),
    )
}

/// The wave of each member: the canary, then waves of the sizes asked for, in the order in which
/// nodes would be packed, so that a failure domain stays together. Members of quorums are in the
/// last wave, since they go last.
fn waves(
    spec: &RolloutSpec,
    members: &BTreeSet<NodeId>,
    inventory: &Inventory,
    constraints: &Constraints,
) -> BTreeMap<NodeId, u32> {
    let priorities = Priorities::of(constraints, inventory, members.iter().copied());
    let (last, mut first): (Vec<NodeId>, Vec<NodeId>) = members
        .iter()
        .copied()
        .partition(|id| is_in_quorum(constraints, *id));
    first.sort_by_key(|id| priorities.key(*id));
    let canary = canaries(spec.canary, &first, inventory);
    first.retain(|id| !canary.contains(id));
    let mut waves: BTreeMap<NodeId, u32> = canary.iter().map(|id| (*id, 0)).collect();
    let mut wave = 1;
    let mut rest = first.as_slice();
    while !rest.is_empty() {
        let size = size_of(spec, wave, members.len()).min(rest.len());
        let (now, later) = rest.split_at(size);
        waves.extend(now.iter().map(|id| (*id, wave)));
        rest = later;
        wave += u32::from(!rest.is_empty());
    }
    waves.extend(last.iter().map(|id| (*id, wave)));
    waves
}

pub(crate) fn is_in_quorum(constraints: &Constraints, id: NodeId) -> bool {
    let sets = constraints.sets();
    let mut seats = constraints.seats(id).iter();
    seats.any(|seat| sets[seat.set].rule == Rule::Quorum)
}

/// The first nodes that are there now: a canary that is away teaches nothing.
fn canaries(count: u32, order: &[NodeId], inventory: &Inventory) -> BTreeSet<NodeId> {
    let mut order = order.to_vec();
    order.sort_by_key(|id| inventory.get(*id).is_none_or(|n| n.absence().is_some()));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    order.into_iter().take(count).collect()
}

fn size_of(spec: &RolloutSpec, wave: u32, all: usize) -> usize {
    let index = usize::try_from(wave.saturating_sub(1)).unwrap_or(usize::MAX);
    let size = spec.waves.get(index).or(spec.waves.last());
    let size = match size {
        None => all,
        Some(WaveSize::Nodes(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
        Some(WaveSize::Percent(p)) => (all * usize::from(*p)).div_ceil(100),
    };
    size.max(1)
}
