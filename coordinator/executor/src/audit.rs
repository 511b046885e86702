//! The ends of attempts, for the record: each exactly once.

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::order::AttemptId;
use h8lio_model::plan::{NodeState, Plan, Slot, SlotPhase};
use serde::{Deserialize, Serialize};

/// An attempt that was ordered has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ended {
    pub node: NodeId,
    pub rollout: RolloutName,
    pub attempt: AttemptId,
    /// What the node became in its rollout with it. `Waiting`: it was taken back untouched.
    pub state: NodeState,
}

/// Attempts that end between a plan and the one that follows it: to be written together with the
/// latter, so that no crash writes one twice or never.
pub fn ended(parent: &Plan, child: &Plan) -> Vec<Ended> {
    let before = parent.content().slots.iter();
    let open = before.filter(|(_, slot)| is_open(slot.phase));
    open.filter_map(|(node, slot)| {
        let now = child.content().slots.get(node);
        let goes_on = now.is_some_and(|n| n.attempt == slot.attempt && is_open(n.phase));
        (!goes_on).then(|| end_of(child, *node, slot))
    })
    .collect()
}

/// Ordered, and no end is known.
const fn is_open(phase: SlotPhase) -> bool {
    matches!(phase, SlotPhase::Ordered | SlotPhase::Withdrawn { .. })
}

fn end_of(child: &Plan, node: NodeId, slot: &Slot) -> Ended {
    let rollout = child.content().rollouts.get(&slot.rollout);
    let progress = rollout.and_then(|r| r.nodes.get(&node));
    // A node that the rollout does not know any more is no part of the fleet.
    let state = progress.map_or(NodeState::Gone, |p| p.state);
    Ended {
        node,
        rollout: slot.rollout.clone(),
        attempt: slot.attempt,
        state,
    }
}
