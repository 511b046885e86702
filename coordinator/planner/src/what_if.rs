//! May these nodes go down together, now?

use std::collections::BTreeSet;

use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::plan::{Absence, FactName, WaitingOn};
use serde::Serialize;

use crate::constraints::Load;
use crate::input::PlanningInput;
use crate::inventory::fresh;
use crate::steps::grant;

/// A reason against it, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Objection {
    pub node: NodeName,
    pub on: WaitingOn,
}

/// Why there is nothing to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    #[error("no node was named; name at least one")]
    Nobody,
    #[error("node {0} is not in the fleet")]
    Unknown(NodeId),
}

/// All objections against taking these nodes down at once, on top of whoever is down or has a slot
/// already. Empty: they may.
///
/// # Errors
/// [`NoQuestion`].
pub fn what_if(
    input: &PlanningInput<'_>,
    nodes: &BTreeSet<NodeId>,
) -> Result<Vec<Objection>, NoQuestion> {
    if nodes.is_empty() {
        return Err(NoQuestion::Nobody);
    }
    if let Some(unknown) = nodes.iter().find(|id| input.inventory.get(**id).is_none()) {
        return Err(NoQuestion::Unknown(*unknown));
    }
    let mut objections = Vec::new();
    let mut load = Load::of_plan(input.constraints, input.inventory, input.parent);
    for id in nodes {
        let node = input.inventory.name(*id);
        let mut reasons = unknown(input, *id);
        // Who is away already takes no further place.
        if load.away(*id).is_none() {
            reasons.extend(grant::places(input, &load, *id));
            load.take(input.constraints, *id, Absence::Slot, input.now);
        }
        let reasons = reasons.into_iter().map(|on| Objection {
            node: node.clone(),
            on,
        });
        objections.extend(reasons);
    }
    Ok(objections)
}

/// What would have to be known, and whom one would have to ask.
fn unknown(input: &PlanningInput<'_>, id: NodeId) -> Vec<WaitingOn> {
    let Some(facts) = input.inventory.get(id) else {
        return Vec::new();
    };
    let mut reasons = Vec::new();
    if input.constraints.needs_topology(id) && facts.topology.is_none() {
        let fact = FactName::Topology;
        reasons.push(WaitingOn::MissingFact { fact });
    }
    let limit = input.policy.ages.inventory;
    match fresh(facts.tenants.as_ref(), FactName::Workload, input.now, limit) {
        Err(no) => reasons.push(no),
        Ok(tenants) => reasons.extend(tenants.iter().map(|tenant| {
            let tenant = *tenant;
            match input.oracles.can_ask.contains(&tenant) {
                true => WaitingOn::Oracle {
                    tenant,
                    says: "it has to be asked before they go".to_owned(),
                },
                false => WaitingOn::NoOracle { tenant },
            }
        })),
    }
    reasons
}
