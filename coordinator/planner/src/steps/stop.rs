//! Pause and cancel. Neither breaks off what is half-done.

use h8lio_model::ids::NodeId;
use h8lio_model::order::OrderContent;
use h8lio_model::plan::{Slot, SlotPhase};

use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout, Wish};

/// Takes tickets of a cancelled rollout out of the orders again. Their slots stay until the node
/// has said what became of the attempt: it finishes, undoes or drops it at its next safe point.
pub(crate) fn plan(input: &PlanningInput<'_>, draft: &mut Draft, rollout: &Rollout) {
    if !matches!(rollout.control.wish, Wish::Cancel { .. }) {
        return;
    }
    for (id, slot) in slots_of(draft, rollout) {
        withdraw(input, draft, id, slot);
    }
}

/// Takes a ticket out of its order. Its slot stays: that it was not begun is the node's to say.
pub(crate) fn withdraw(input: &PlanningInput<'_>, draft: &mut Draft, id: NodeId, slot: Slot) {
    withdraw_because(input, draft, id, slot, false);
}

/// As [`withdraw`]; `by_hand`: somebody else changed what the order rested on.
pub(crate) fn withdraw_because(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    id: NodeId,
    slot: Slot,
    by_hand: bool,
) {
    if slot.phase == SlotPhase::Ordered
        && let Some(node) = input.inventory.get(id)
    {
        let with = draft.order(id, OrderContent::quiet(node.wanted));
        let phase = SlotPhase::Withdrawn { with, by_hand };
        draft.content.slots.insert(id, Slot { phase, ..slot });
    }
}

/// Gives back what was only reserved: nothing was ordered, so nothing can be half-done.
pub(crate) fn give_back(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    rollout: &Rollout,
    who: impl Fn(NodeId) -> bool,
) {
    for (id, slot) in slots_of(draft, rollout) {
        if slot.phase == SlotPhase::Reserved && who(id) {
            draft.give_back(id, input.now);
        }
    }
}

pub(crate) fn slots_of(draft: &Draft, rollout: &Rollout) -> Vec<(NodeId, Slot)> {
    let slots = draft.content.slots.iter();
    let own = slots.filter(|(_, slot)| slot.rollout == *rollout.name());
    own.map(|(id, slot)| (*id, slot.clone())).collect()
}
