//! What is known of a node's packages, if it is still true.

use h8lio_model::inventory::PackageFacts;
use h8lio_model::plan::{Change, FactName, WaitingOn};
use h8lio_model::rollout::RolloutTarget;

use crate::input::PlanningInput;
use crate::inventory::{NodeFacts, fresh};

/// A section may be confirmed a moment ago and say what was before a boot or an attempt: whoever
/// believes it boots a server twice, or takes what h8lio did for somebody else's work.
pub(crate) fn known<'a>(
    input: &PlanningInput<'_>,
    node: &'a NodeFacts,
) -> Result<&'a PackageFacts, WaitingOn> {
    let (name, limit) = (FactName::Packages, input.policy.ages.inventory);
    let facts = fresh(node.packages.as_ref(), name, input.now, limit)?;
    let outdated = |before| WaitingOn::OutdatedFact { fact: name, before };
    if let Some(boot) = &node.boot
        && facts.boot_id != Some(boot.value)
    {
        return Err(outdated(Change::Boot));
    }
    match &node.orders {
        Some(orders) if facts.after != orders.value.last_ended => Err(outdated(Change::Attempt)),
        _ => Ok(facts),
    }
}

/// What is offered is what the index said when it was fetched. A reboot asks for nothing of it.
pub(crate) fn offered(
    input: &PlanningInput<'_>,
    target: &RolloutTarget,
    facts: &PackageFacts,
) -> Result<(), WaitingOn> {
    if *target == RolloutTarget::RebootOnly {
        return Ok(());
    }
    let (fact, limit) = (FactName::PackageIndex, input.policy.ages.index);
    let fetched = facts.index_updated_at;
    let fetched = fetched.ok_or(WaitingOn::MissingFact { fact })?;
    let age = input.now.duration_since(fetched);
    match age.abs() > limit {
        true => Err(WaitingOn::StaleFact { fact, age, limit }),
        false => Ok(()),
    }
}
