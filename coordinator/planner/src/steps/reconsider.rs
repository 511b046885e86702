//! A ticket that was ordered and not begun is looked at again: the node may have been silent, or this
//! coordinator away, while a window closed, somebody paused, or a mate in its sets died.

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{Slot, SlotPhase, WaitingOn};
use jiff::Timestamp;

use crate::constraints::{Exceeded, Load, Seat};
use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout};
use crate::steps::grant::DELIVERY;
use crate::steps::rollout::too_long;
use crate::steps::{ask, gates, settle, stop};
use crate::versions::Work;

/// Takes back the tickets that would not be ordered now. Nothing is given to anybody else for it: the
/// slots stay until their nodes have said that they did not begin, or how it ended.
pub(crate) fn plan(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    rollout: &Rollout,
    hold: &[WaitingOn],
) {
    let all = stop::slots_of(draft, rollout);
    let waits: Vec<(NodeId, Slot)> = all
        .into_iter()
        .filter(|(id, slot)| waits_to_begin(input, *id, slot))
        .collect();
    if waits.is_empty() {
        return;
    }
    // That a check has not been asked since another node was done holds the next one, and says nothing
    // against one that was ordered before.
    let is_unasked = |on: &WaitingOn| matches!(on, WaitingOn::HealthCheckUnasked { .. });
    let is_held = !hold.iter().all(is_unasked);
    let over = overfull(input, draft);
    for (id, slot) in waits {
        let work = gates::node(input, draft, rollout, id);
        let by_hand = work.as_ref().is_ok_and(|w| !stands(draft, id, w.as_ref()));
        let no = is_held
            || !too_long(input, rollout, id).is_empty()
            || work.is_err()
            || by_hand
            || ask::refused(input, draft, id).is_some()
            || is_overfull(input, &over, id)
            || is_too_late(input, draft, id, &slot);
        if no {
            stop::withdraw_because(input, draft, id, slot, by_hand);
        }
    }
}

/// Each package of its order would be changed now from the same version to the same one. Where
/// somebody installed another one meanwhile, removed it or holds it, the order is about a server that
/// is not there any more. That more could be done by now is no matter.
fn stands(draft: &Draft, id: NodeId, now: Option<&Work>) -> bool {
    let order = draft.content.orders.get(&id);
    let ordered = order.and_then(|o| o.content.patch.as_ref());
    let now = now.and_then(|work| work.patch.as_ref());
    let is_there = |change| now.is_some_and(|patch| patch.changes().contains(change));
    ordered.is_none_or(|patch| patch.changes().iter().all(is_there))
}

/// The node says that it neither began nor ended it. Of a node that says nothing it is not known; it
/// does not begin without its coordinator, and its ticket grows too old.
fn waits_to_begin(input: &PlanningInput<'_>, id: NodeId, slot: &Slot) -> bool {
    let orders = input.inventory.get(id).and_then(|n| n.orders.as_ref());
    let report = orders.map(|fact| &fact.value);
    slot.phase == SlotPhase::Ordered
        && report.is_some_and(|r| {
            !r.is_running(slot.attempt)
                && r.attempt(slot.attempt).is_none()
                && !settle::is_lost(r, slot)
        })
}

/// Sets in which more is away than may be.
pub(crate) fn overfull(input: &PlanningInput<'_>, draft: &Draft) -> Vec<Exceeded> {
    let load = Load::of(input.constraints, input.inventory, &draft.content);
    load.exceeded(input.constraints)
}

/// More is away in one of its sets than may be, itself included: somebody went down meanwhile.
pub(crate) fn is_overfull(input: &PlanningInput<'_>, over: &[Exceeded], id: NodeId) -> bool {
    let seats = input.constraints.seats(id);
    over.iter().any(|over| {
        let is_in = |seat: &Seat| {
            over.set == seat.set && over.domain.is_none_or(|domain| domain == seat.domain)
        };
        seats.iter().any(is_in)
    })
}

/// Its agent would not begin it any more, and has not said so: what it says may be under way.
fn is_too_late(input: &PlanningInput<'_>, draft: &Draft, id: NodeId, slot: &Slot) -> bool {
    let order = draft.content.orders.get(&id);
    let ticket = order.and_then(|o| o.content.ticket(slot.attempt));
    ticket.is_some_and(|t| {
        let said_by = t.begin_before.checked_add(DELIVERY);
        input.now > said_by.unwrap_or(Timestamp::MAX)
    })
}
