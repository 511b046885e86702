//! Slots end on what agents report, or on a person's word. Never by time.

use std::collections::BTreeSet;

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::Admission;
use h8lio_model::order::{AttemptId, AttemptReport, Generation, OrderReport, Outcome};
use h8lio_model::plan::{NodeState, Slot, SlotPhase, WaitingOn};

use crate::draft::Draft;
use crate::input::PlanningInput;
use crate::steps::stop;

pub use h8lio_model::order::WITHDRAWN;

/// Ends that a person has looked at.
type Acknowledged = BTreeSet<(AttemptId, Outcome)>;

/// What is to become of a slot.
enum Fate {
    Stays,
    Ends(NodeState),
    IsKept(Outcome, NodeState),
}

pub(crate) fn plan(input: &PlanningInput<'_>, draft: &mut Draft) {
    let said = input.rollouts.iter();
    let acknowledged: Acknowledged = said
        .flat_map(|r| r.control.acknowledged.iter().copied())
        .collect();
    let slots: Vec<(NodeId, Slot)> = draft.content.slots.clone().into_iter().collect();
    for (id, slot) in slots {
        match fate(input, &acknowledged, id, &slot) {
            Fate::Stays => {}
            Fate::Ends(state) => {
                draft.content.slots.remove(&id);
                draft.moved(&slot.rollout, id, state, input.now);
            }
            Fate::IsKept(outcome, state) => {
                let at = input.now;
                let kept = SlotPhase::Kept { outcome, at };
                draft.content.slots.insert(
                    id,
                    Slot {
                        phase: kept,
                        ..slot.clone()
                    },
                );
                draft.moved(&slot.rollout, id, state, at);
            }
        }
    }
}

fn fate(input: &PlanningInput<'_>, acknowledged: &Acknowledged, id: NodeId, slot: &Slot) -> Fate {
    let node = input.inventory.get(id);
    let looked = |outcome| acknowledged.contains(&(slot.attempt, outcome));
    if has_left(input, id) {
        // It may be in the middle of its attempt all the same, and a member of what it served.
        let outcome = match slot.phase {
            SlotPhase::Reserved => return Fate::Ends(NodeState::Gone),
            SlotPhase::Kept { outcome, .. } => outcome,
            SlotPhase::Ordered | SlotPhase::Withdrawn { .. } => Outcome::Unknown,
        };
        return match looked(outcome) {
            true => Fate::Ends(NodeState::Gone),
            false => Fate::Stays,
        };
    }
    if let SlotPhase::Kept { outcome, .. } = slot.phase {
        return match looked(outcome) {
            true => Fate::Ends(after(outcome)),
            false => Fate::Stays,
        };
    }
    let Some(report) = node.and_then(|n| n.orders.as_ref()).map(|f| &f.value) else {
        return Fate::Stays;
    };
    match (report.attempt(slot.attempt), slot.phase) {
        (_, SlotPhase::Reserved) => Fate::Stays,
        (None, _) if is_lost(report, slot) => match looked(Outcome::Unknown) {
            true => Fate::Ends(NodeState::Failed),
            false => Fate::Stays,
        },
        (Some(end), _) if looked(end.outcome) => Fate::Ends(after(end.outcome)),
        (Some(end), _) if end.outcome.is_terminal() => ended(end),
        (None, SlotPhase::Withdrawn { with, .. }) if never_began(report, slot.attempt, with) => {
            Fate::Ends(NodeState::Waiting)
        }
        _ => Fate::Stays,
    }
}

/// It is no part of the fleet any more, or nothing is known of it at all.
pub(crate) fn has_left(input: &PlanningInput<'_>, id: NodeId) -> bool {
    let node = input.inventory.get(id);
    node.is_none_or(|n| n.admission == Admission::Decommissioned)
}

/// The node's ledger is another one than the ticket was made for. That it knows nothing of the
/// attempt does not mean that nothing was done.
pub(crate) fn is_lost(report: &OrderReport, slot: &Slot) -> bool {
    slot.ledger.is_some_and(|ledger| ledger != report.ledger)
}

/// Takes tickets back whose node has lost the ledger that it would remember the attempt by: under a
/// new ledger it would do the same once more.
pub(crate) fn withdraw_from_the_forgetful(input: &PlanningInput<'_>, draft: &mut Draft) {
    let slots: Vec<(NodeId, Slot)> = draft.content.slots.clone().into_iter().collect();
    for (id, slot) in slots {
        let node = input.inventory.get(id);
        let report = node.and_then(|n| n.orders.as_ref()).map(|f| &f.value);
        if report.is_some_and(|r| is_lost(r, &slot)) {
            stop::withdraw(input, draft, id, slot);
        }
    }
}

/// The node follows an order without the ticket, knows nothing of the attempt and runs nothing of
/// it: it never will.
fn never_began(report: &OrderReport, attempt: AttemptId, with: Generation) -> bool {
    let follows = report.effective.is_some_and(|mark| mark.generation >= with);
    follows && !report.is_running(attempt)
}

fn ended(end: &AttemptReport) -> Fate {
    match end.releases_the_slot() {
        true if end.is_untried() => Fate::Ends(NodeState::Waiting),
        true => Fate::Ends(after(end.outcome)),
        false => Fate::IsKept(end.outcome, after(end.outcome)),
    }
}

const fn after(outcome: Outcome) -> NodeState {
    match outcome {
        Outcome::Done => NodeState::Done,
        Outcome::RolledBack => NodeState::RolledBack,
        Outcome::Failed | Outcome::Unknown => NodeState::Failed,
    }
}

/// Why a slot does not end.
pub(crate) fn reason(input: &PlanningInput<'_>, id: NodeId, slot: &Slot) -> Option<WaitingOn> {
    let report = input.inventory.get(id).and_then(|n| n.orders.as_ref());
    match slot.phase {
        SlotPhase::Reserved => None,
        SlotPhase::Kept { outcome, .. } => Some(WaitingOn::PersonsWord { outcome }),
        _ if has_left(input, id) => {
            let node = input.inventory.name(id);
            Some(WaitingOn::LeftTheFleet { node })
        }
        SlotPhase::Ordered | SlotPhase::Withdrawn { .. } => {
            let report = report.map(|f| &f.value);
            let ended = |r: &OrderReport| r.attempt(slot.attempt).is_some();
            if report.is_some_and(|r| ended(r) || is_lost(r, slot)) {
                return Some(WaitingOn::UnknownEnd);
            }
            let running = report.and_then(|r| r.running.as_ref());
            let running = running.filter(|r| r.attempt == slot.attempt);
            let step = running.map(|r| r.step.clone());
            Some(match (slot.phase, step) {
                (SlotPhase::Withdrawn { by_hand: true, .. }, None) => WaitingOn::ChangedByHand,
                (SlotPhase::Withdrawn { .. }, None) => WaitingOn::Withdrawal,
                (_, step) => WaitingOn::TerminalState { step },
            })
        }
    }
}
