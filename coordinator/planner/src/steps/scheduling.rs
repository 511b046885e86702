//! Whether work may be placed on a server: as operators want it, but for nodes in a slot.

use std::collections::BTreeSet;

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::{Admission, Scheduling};
use h8lio_model::order::OrderContent;
use h8lio_model::plan::SlotPhase;

use crate::draft::Draft;
use crate::input::PlanningInput;
use crate::steps::holds;

/// Orders whatever is wanted of nodes without a slot. Who was never ordered anything and shall be
/// active needs no order to be it; whoever left the fleet keeps no ticket.
pub(crate) fn plan(input: &PlanningInput<'_>, draft: &mut Draft) {
    let known = draft.content.orders.keys().copied();
    let enrolled = input.inventory.nodes.iter().filter(|(_, node)| {
        node.admission == Admission::Enrolled && node.wanted != Scheduling::Active
    });
    let allowed = input.rollouts.iter().flat_map(|r| r.control.retries.keys());
    let allowed = allowed.filter(|id| !holds::let_go(input, draft, **id).is_empty());
    let all: BTreeSet<NodeId> = known
        .chain(enrolled.map(|(id, _)| *id))
        .chain(allowed.copied())
        .collect();
    for id in all {
        let slot = draft.content.slots.get(&id);
        if slot.is_none_or(|slot| slot.phase == SlotPhase::Reserved) {
            let wanted = input.inventory.get(id).map(|node| node.wanted);
            let quiet = OrderContent::quiet(wanted.unwrap_or(Scheduling::Active));
            let let_go = holds::let_go(input, draft, id);
            draft.order(id, OrderContent { let_go, ..quiet });
        }
    }
}
