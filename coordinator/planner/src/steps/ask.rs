//! Reserve first, ask about the union second, act third.

use std::collections::BTreeSet;

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{SlotPhase, Tenant, WaitingOn};
use jiff::Timestamp;

use crate::draft::Draft;
use crate::input::{Answer, PlanningInput};

/// What the node's tenants need to hear that has not been said yet. Empty: it may be begun.
pub(crate) fn unanswered(input: &PlanningInput<'_>, draft: &Draft, id: NodeId) -> Vec<WaitingOn> {
    let complaint = |tenant| {
        let union = union(input, draft, tenant);
        let says = match standing_no(input, tenant, &union).map(|a| &a.says) {
            Some(Err(no)) => no.clone(),
            _ if leave(input, draft, tenant, &union).is_some() => return None,
            _ => format!("not asked yet about {} nodes together", union.len()),
        };
        Some(WaitingOn::Oracle { tenant, says })
    };
    tenants(input, id)
        .into_iter()
        .filter_map(complaint)
        .collect()
}

/// The last leave for these nodes. Leave for more nodes is leave for these; leave that was not given
/// after the last of them was reserved is none.
fn leave<'a>(
    input: &PlanningInput<'a>,
    draft: &Draft,
    tenant: Tenant,
    union: &BTreeSet<NodeId>,
) -> Option<&'a Answer> {
    let reserved_at = newest(draft, union).map(|(since, _)| since);
    fresh(input, tenant)
        .filter(|a| a.says.is_ok() && a.union.is_superset(union))
        .filter(|a| reserved_at.is_none_or(|at| a.at > at))
        .max_by_key(|a| a.at)
}

/// Of unions that were refused, whoever was reserved last gives way, so that fewer can be asked
/// about.
pub(crate) fn give_way(input: &PlanningInput<'_>, draft: &mut Draft) {
    let asked: BTreeSet<Tenant> = input.oracles.answers.iter().map(|a| a.tenant).collect();
    for tenant in asked {
        while let Some(last) = last_of_a_refused(input, draft, tenant) {
            draft.give_back(last, input.now);
        }
    }
}

fn last_of_a_refused(input: &PlanningInput<'_>, draft: &Draft, tenant: Tenant) -> Option<NodeId> {
    let union = union(input, draft, tenant);
    let no = standing_no(input, tenant, &union)?;
    // Of those it was said about, if any of them can still give way.
    let named = newest(draft, &no.union).or_else(|| newest(draft, &union));
    named.map(|(_, id)| id)
}

/// Whether reserving the node would make a union that was refused a moment ago.
pub(crate) fn refused(input: &PlanningInput<'_>, draft: &Draft, id: NodeId) -> Option<WaitingOn> {
    tenants(input, id).into_iter().find_map(|tenant| {
        let mut union = union(input, draft, tenant);
        union.insert(id);
        let says = standing_no(input, tenant, &union)?.says.clone().err()?;
        Some(WaitingOn::Oracle { tenant, says })
    })
}

/// The last no about all or some of these nodes that no later yes about the same took back.
fn standing_no<'a>(
    input: &PlanningInput<'a>,
    tenant: Tenant,
    union: &BTreeSet<NodeId>,
) -> Option<&'a Answer> {
    let stands = |a: &&Answer| a.says.is_err() && !superseded(input, a);
    fresh(input, tenant)
        .filter(|a| a.union.is_subset(union))
        .filter(stands)
        .max_by_key(|a| a.at)
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
