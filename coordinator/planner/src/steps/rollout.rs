//! One rollout, from top to bottom.

use std::collections::BTreeMap;

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::lifecycle::Admission;
use h8lio_model::plan::{NodeState, SlotPhase, WaitingOn};

use crate::constraints::Load;
use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout, Wish};
use crate::priority::{Priorities, estimate};
use crate::steps::grant::Reasons;
use crate::steps::waves::Turn;
use crate::steps::{ask, begin, gates, grant, reconsider, settle, stop, waves};
use crate::versions::Work;

/// What planning a rollout came to.
#[derive(Debug)]
pub(crate) struct Found {
    /// What holds all of it.
    pub(crate) hold: Vec<WaitingOn>,
    /// What holds each node.
    pub(crate) nodes: Reasons,
}

/// Nodes that a rollout planned earlier wants.
pub(crate) type Claims = BTreeMap<NodeId, RolloutName>;

/// A rollout as it stands before anybody new gets room.
#[derive(Debug)]
pub(crate) struct Look {
    hold: Vec<WaitingOn>,
    held: Reasons,
    work: Tasks,
}

/// What each open node has to do; `None` is nothing.
type Tasks = BTreeMap<NodeId, Option<Work>>;

/// What was reserved and cannot go on is given back. All rollouts are looked at before any of them
/// takes: otherwise an earlier one would see the room that a later one gives back a plan too late.
pub(crate) fn look(input: &PlanningInput<'_>, draft: &mut Draft, rollout: &Rollout) -> Look {
    begin::plan(input, draft, rollout);
    stop::plan(input, draft, rollout);
    retry(input, draft, rollout);
    leave(input, draft, rollout);
    let mut hold = gates::rollout(input, draft, rollout);
    let (held, work) = inspect(input, draft, rollout);
    reconsider::plan(input, draft, rollout, &hold);
    hold.extend(calendar(input, rollout, &work));
    // What is only reserved gives way to a mate that went down: its place is looked for anew.
    let has_slots = !stop::slots_of(draft, rollout).is_empty();
    let over = match has_slots {
        true => reconsider::overfull(input, draft),
        false => Vec::new(),
    };
    stop::give_back(input, draft, rollout, |id| {
        let idle = work.get(&id).is_some_and(Option::is_none);
        let late = !too_long(input, rollout, id).is_empty();
        let full = reconsider::is_overfull(input, &over, id);
        !hold.is_empty() || late || idle || full || held.contains_key(&id)
    });
    Look { hold, held, work }
}

/// Takes of the room what the gates leave the rollout.
pub(crate) fn plan(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    load: &mut Load,
    claims: &mut Claims,
    rollout: &Rollout,
    look: Look,
) -> Found {
    let Look {
        hold,
        mut held,
        mut work,
    } = look;
    for (id, reasons) in claimed(draft, claims, rollout) {
        held.entry(id).or_default().extend(reasons);
        work.remove(&id);
    }
    let turn = turn(input, draft, rollout, &held, &work);
    let mut nodes = held;
    waits_for_its_wave(draft, rollout, &turn, &mut nodes);
    if hold.is_empty() {
        take(input, draft, load, rollout, &work, &mut nodes);
    }
    for (id, slot) in stop::slots_of(draft, rollout) {
        nodes
            .entry(id)
            .or_default()
            .extend(settle::reason(input, id, &slot));
    }
    claim(draft, claims, rollout);
    Found { hold, nodes }
}

/// Orders what was reserved and may go, reserves what has room, and orders of that what nobody
/// has to be asked about.
fn take(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    load: &mut Load,
    rollout: &Rollout,
    work: &Tasks,
    nodes: &mut Reasons,
) {
    let ready = in_order(input, draft, rollout, work, nodes);
    promote(input, draft, rollout, work, nodes);
    let open = grant::Open::of(input, draft, rollout);
    for id in &ready {
        let mut reasons = too_long(input, rollout, *id);
        if reasons.is_empty() {
            reasons = grant::reserve(input, draft, load, &open, rollout, *id);
        }
        if !reasons.is_empty() {
            nodes.entry(*id).or_default().extend(reasons);
        }
    }
    promote(input, draft, rollout, work, nodes);
}

/// A failed node whose slot has ended and that may try again.
fn retry(input: &PlanningInput<'_>, draft: &mut Draft, rollout: &Rollout) {
    for (id, more) in &rollout.control.retries {
        let slot = draft.content.slots.get(id);
        let slot = slot.is_some_and(|slot| slot.rollout == *rollout.name());
        let node = draft.node(rollout.name(), *id);
        if node.is_some_and(|n| n.state.is_failure() && n.tries <= *more) && !slot {
            draft.moved(rollout.name(), *id, NodeState::Waiting, input.now);
        }
    }
}

/// Who left the fleet before its turn.
fn leave(input: &PlanningInput<'_>, draft: &mut Draft, rollout: &Rollout) {
    for id in of_state(draft, rollout, NodeState::Waiting) {
        let node = input.inventory.get(id);
        if node.is_none_or(|n| n.admission == Admission::Decommissioned) {
            draft.moved(rollout.name(), id, NodeState::Gone, input.now);
        }
    }
}

fn of_state(draft: &Draft, rollout: &Rollout, state: NodeState) -> Vec<NodeId> {
    let progress = draft.content.rollouts.get(rollout.name());
    let nodes = progress.iter().flat_map(|p| &p.nodes);
    nodes
        .filter(|(_, n)| n.state == state)
        .map(|(id, _)| *id)
        .collect()
}

/// For each node that is not settled: what holds it of itself, or its work.
fn inspect(input: &PlanningInput<'_>, draft: &Draft, rollout: &Rollout) -> (Reasons, Tasks) {
    let (mut held, mut work) = (Reasons::new(), BTreeMap::new());
    let mut open = of_state(draft, rollout, NodeState::Waiting);
    let slots = stop::slots_of(draft, rollout).into_iter();
    let reserved = slots.filter(|(_, slot)| slot.phase == SlotPhase::Reserved);
    open.extend(reserved.map(|(id, _)| id));
    for id in open {
        match gates::node(input, draft, rollout, id) {
            Ok(found) => {
                work.insert(id, found);
            }
            Err(reasons) => {
                held.insert(id, reasons);
            }
        }
    }
    (held, work)
}

fn claimed(draft: &Draft, claims: &Claims, rollout: &Rollout) -> Reasons {
    let mut reasons = Reasons::new();
    for id in of_state(draft, rollout, NodeState::Waiting) {
        let slot = draft.content.slots.get(&id).map(|slot| &slot.rollout);
        if let Some(other) = claims.get(&id).or(slot) {
            let rollout = other.clone();
            reasons.insert(id, vec![WaitingOn::OtherRollout { rollout }]);
        }
    }
    reasons
}

/// Later rollouts do not touch what this one still wants. A cancelled one wants nothing more.
fn claim(draft: &Draft, claims: &mut Claims, rollout: &Rollout) {
    let mut wanted: Vec<NodeId> = stop::slots_of(draft, rollout)
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    if !matches!(rollout.control.wish, Wish::Cancel { .. }) {
        wanted.extend(of_state(draft, rollout, NodeState::Waiting));
    }
    for id in wanted {
        claims.entry(id).or_insert_with(|| rollout.name().clone());
    }
}

/// Closed for all: not even the shortest work may begin now.
fn calendar(input: &PlanningInput<'_>, rollout: &Rollout, work: &Tasks) -> Vec<WaitingOn> {
    let estimates = work.keys().map(|id| estimate(input.inventory, *id));
    let Some(shortest) = estimates.min() else {
        return Vec::new();
    };
    rollout.calendar(input.policy).closed(input.now, shortest)
}

/// Closed for this node: its own work would not be over in time.
pub(crate) fn too_long(input: &PlanningInput<'_>, rollout: &Rollout, id: NodeId) -> Vec<WaitingOn> {
    let work = estimate(input.inventory, id);
    rollout.calendar(input.policy).closed(input.now, work)
}

/// Who has nothing to do is settled at its turn, which may make the next wave's turn.
fn turn(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    rollout: &Rollout,
    held: &Reasons,
    work: &Tasks,
) -> Turn {
    loop {
        let Some(progress) = draft.content.rollouts.get_mut(rollout.name()) else {
            return Turn::Last;
        };
        let turn = match rollout.control.wish {
            Wish::Run => waves::advance(progress, held, rollout.spec.soak, input.now),
            Wish::Pause { .. } | Wish::Cancel { .. } => return Turn::GoesOn,
        };
        let wave = progress.wave;
        let idle = progress.nodes.iter_mut().filter(|(id, node)| {
            let nothing = work.get(id).is_some_and(Option::is_none);
            node.state == NodeState::Waiting && node.wave <= wave && nothing
        });
        let mut changed = false;
        for (_, node) in idle {
            node.state = NodeState::NothingToDo;
            node.since = input.now;
            changed = true;
        }
        if !changed {
            return turn;
        }
    }
}

fn waits_for_its_wave(draft: &Draft, rollout: &Rollout, turn: &Turn, nodes: &mut Reasons) {
    let Some(progress) = draft.content.rollouts.get(rollout.name()) else {
        return;
    };
    for (id, node) in &progress.nodes {
        if node.state == NodeState::Waiting
            && let Some(reason) = waves::reason(turn, progress.wave, node.wave)
        {
            nodes.entry(*id).or_default().push(reason);
        }
    }
}

/// Waiting nodes that nothing of their own holds, critical path first.
fn in_order(
    input: &PlanningInput<'_>,
    draft: &Draft,
    rollout: &Rollout,
    work: &Tasks,
    nodes: &Reasons,
) -> Vec<NodeId> {
    let waiting = of_state(draft, rollout, NodeState::Waiting);
    let priorities = Priorities::of(input.constraints, input.inventory, waiting.iter().copied());
    let free = |id: &NodeId| work.contains_key(id) && !nodes.contains_key(id);
    let mut ready: Vec<NodeId> = waiting.iter().copied().filter(free).collect();
    ready.sort_by_cached_key(|id| priorities.key(*id));
    ready
}

/// Reserved slots become orders once everybody who must be asked has said yes.
fn promote(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    rollout: &Rollout,
    work: &Tasks,
    nodes: &mut Reasons,
) {
    for (id, slot) in stop::slots_of(draft, rollout) {
        if slot.phase != SlotPhase::Reserved {
            continue;
        }
        let open = ask::unanswered(input, draft, id);
        match work.get(&id) {
            Some(Some(work)) if open.is_empty() => {
                grant::order_work(input, draft, rollout, id, work.clone());
                nodes.remove(&id);
            }
            _ => {
                nodes.insert(id, open);
            }
        }
    }
}
