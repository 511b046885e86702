//! Reserve first, ask about the union second, act third.

use std::collections::BTreeSet;

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{SlotPhase, Tenant, WaitingOn};
use jiff::Timestamp;

use crate::draft::Draft;
use crate::input::{Answer, PlanningInput, Rollout};
use crate::steps::stop::slots_of;

/// What the node's tenants need to hear that has not been said yet. Empty: it may be begun.
pub(crate) fn unanswered(input: &PlanningInput<'_>, draft: &Draft, id: NodeId) -> Vec<WaitingOn> {
    let complaint = |tenant| {
        let union = union(input, draft, tenant);
        let says = match last(input, draft, tenant, &union).map(|a| &a.says) {
            Some(Ok(())) => return None,
            Some(Err(no)) => no.clone(),
            None => format!("not asked yet about {} nodes together", union.len()),
        };
        Some(WaitingOn::Oracle { tenant, says })
    };
    tenants(input, id)
        .into_iter()
        .filter_map(complaint)
        .collect()
}

/// The last answer about these nodes. Leave for more nodes is leave for these; a no for some of them
/// is a no for all. Leave that was not given after the last of them was reserved is none.
fn last<'a>(
    input: &PlanningInput<'a>,
    draft: &Draft,
    tenant: Tenant,
    union: &BTreeSet<NodeId>,
) -> Option<&'a Answer> {
    let reserved_at = newest(draft, union).map(|(since, _)| since);
    let about = |a: &&Answer| match a.says {
        Ok(()) => a.union.is_superset(union) && reserved_at.is_none_or(|at| a.at > at),
        Err(_) => a.union.is_subset(union),
    };
    fresh(input, tenant)
        .filter(about)
        .max_by_key(|a| (a.at, a.says.is_err()))
}

/// Of a union that was refused, whoever was reserved last gives way, so that fewer can be asked
/// about.
pub(crate) fn gives_way(
    input: &PlanningInput<'_>,
    draft: &Draft,
    rollout: &Rollout,
) -> Option<NodeId> {
    let own = slots_of(draft, rollout).into_iter().map(|(id, _)| id);
    own.flat_map(|id| tenants(input, id)).find_map(|tenant| {
        let union = union(input, draft, tenant);
        let refused = last(input, draft, tenant, &union)?.says.is_err();
        let (_, id) = newest(draft, &union).filter(|_| refused)?;
        (draft.content.slots[&id].rollout == *rollout.name()).then_some(id)
    })
}

/// Whether reserving the node would make a union that was refused a moment ago.
pub(crate) fn refused(input: &PlanningInput<'_>, draft: &Draft, id: NodeId) -> Option<WaitingOn> {
    tenants(input, id).into_iter().find_map(|tenant| {
        let mut union = union(input, draft, tenant);
        union.insert(id);
        let no = fresh(input, tenant).find_map(|a| match &a.says {
            Err(no) if a.union.is_subset(&union) && !superseded(input, a) => Some(no.clone()),
            _ => None,
        })?;
        Some(WaitingOn::Oracle { tenant, says: no })
    })
}

/// Whether a later answer said yes to the same nodes or more.
fn superseded(input: &PlanningInput<'_>, no: &Answer) -> bool {
    fresh(input, no.tenant)
        .any(|a| a.says.is_ok() && a.at > no.at && a.union.is_superset(&no.union))
}

fn fresh<'a>(input: &PlanningInput<'a>, tenant: Tenant) -> impl Iterator<Item = &'a Answer> {
    let limit = input.policy.ages.answers;
    input.oracles.fresh(tenant, input.now, limit)
}

/// What runs on the node, of the last known facts.
fn tenants(input: &PlanningInput<'_>, id: NodeId) -> BTreeSet<Tenant> {
    let facts = input.inventory.get(id).and_then(|n| n.tenants.as_ref());
    facts.map(|f| f.value.clone()).unwrap_or_default()
}

/// Everybody with this tenant who is reserved, or down with a slot already.
fn union(input: &PlanningInput<'_>, draft: &Draft, tenant: Tenant) -> BTreeSet<NodeId> {
    let slots = draft.content.slots.keys().copied();
    slots
        .filter(|id| tenants(input, *id).contains(&tenant))
        .collect()
}

/// Who of them was reserved last, and when.
fn newest(draft: &Draft, union: &BTreeSet<NodeId>) -> Option<(Timestamp, NodeId)> {
    let slots = union
        .iter()
        .filter_map(|id| Some((draft.content.slots.get(id)?, *id)));
    let reserved = slots.filter(|(slot, _)| slot.phase == SlotPhase::Reserved);
    reserved.map(|(slot, id)| (slot.since, id)).max()
}
