//! What must hold before anything is begun: for the rollout as a whole, and for each node.
//! All that fails is said, not only the first thing.

use h8lio_model::ids::NodeId;
use h8lio_model::inventory::{Domain, DomainMode, ManagerFacts, PackageFacts};
use h8lio_model::lifecycle::{Admission, Availability};
use h8lio_model::plan::{Absence, FactName, NodeState, SlotPhase, WaitingOn};
use h8lio_model::release::Release;

use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout, Wish};
use crate::inventory::{Fact, NodeFacts, fresh};
use crate::steps::stop::slots_of;
use crate::steps::{holds, packages};
use crate::versions::{self, Work};

/// The agent's package.
const AGENT: &str = "h8lio-agent";

/// What holds the whole rollout.
pub(crate) fn rollout(
    input: &PlanningInput<'_>,
    draft: &Draft,
    rollout: &Rollout,
) -> Vec<WaitingOn> {
    let mut reasons = Vec::new();
    match &rollout.control.wish {
        Wish::Run => {}
        Wish::Pause { by, .. } => reasons.push(WaitingOn::Paused { by: by.clone() }),
        Wish::Cancel { by, .. } => reasons.push(WaitingOn::Cancelled { by: by.clone() }),
    }
    for (id, slot) in slots_of(draft, rollout) {
        if let SlotPhase::Kept { outcome, .. } = slot.phase {
            let node = input.inventory.name(id);
            reasons.push(WaitingOn::KeptSlot { node, outcome });
        }
    }
    // Of a node that is not in the inventory nobody knows whose place it takes: it takes everybody's.
    let lost = draft.content.slots.keys();
    let lost = lost.filter(|id| input.inventory.get(**id).is_none());
    reasons.extend(lost.map(|id| WaitingOn::LeftTheFleet {
        node: input.inventory.name(*id),
    }));
    reasons.extend(too_many_failed(draft, rollout));
    reasons.extend(health(input, rollout));
    reasons.extend(unasked(input, draft, rollout));
    reasons
}

/// What a check said before a node was changed says nothing about the fleet after it.
fn unasked(input: &PlanningInput<'_>, draft: &Draft, rollout: &Rollout) -> Vec<WaitingOn> {
    let nodes = draft
        .content
        .rollouts
        .values()
        .flat_map(|r| r.nodes.values());
    let changed = nodes.filter(|n| n.state == NodeState::Done || n.state.is_failure());
    let Some(since) = changed.map(|n| n.since).max() else {
        return Vec::new();
    };
    let names = rollout.spec.health_checks.iter();
    let old = names.filter(|name| {
        let said = input.health.get(*name);
        said.is_some_and(|fact| fact.value.is_ok() && fact.observed_at < since)
    });
    old.map(|name| WaitingOn::HealthCheckUnasked {
        name: name.clone(),
        since,
    })
    .collect()
}

fn too_many_failed(draft: &Draft, rollout: &Rollout) -> Option<WaitingOn> {
    let progress = draft.content.rollouts.get(rollout.name())?;
    let failed = progress.nodes.values().filter(|n| n.state.is_failure());
    let failed = u32::try_from(failed.count()).unwrap_or(u32::MAX);
    let threshold = rollout.spec.failure_threshold;
    (failed >= threshold).then_some(WaitingOn::FailureThreshold { failed, threshold })
}

/// A check that fails, was never run or not for long makes the quota 0.
fn health(input: &PlanningInput<'_>, rollout: &Rollout) -> Vec<WaitingOn> {
    let limit = input.policy.ages.answers;
    let complaint = |name: &String| {
        let says = match input.health.get(name) {
            None => "it has not been run".to_owned(),
            Some(fact) => match &fact.value {
                Err(says) => says.clone(),
                Ok(()) => {
                    let age = input.now.duration_since(fact.observed_at);
                    if age.abs() <= limit {
                        return None;
                    }
                    format!("it passed {age:#} ago, and at most {limit:#} are taken")
                }
            },
        };
        let name = name.clone();
        Some(WaitingOn::HealthCheck { name, says })
    };
    rollout
        .spec
        .health_checks
        .iter()
        .filter_map(complaint)
        .collect()
}

/// What holds one node of itself, or what is to be done on it.
pub(crate) fn node(
    input: &PlanningInput<'_>,
    draft: &Draft,
    rollout: &Rollout,
    id: NodeId,
) -> Result<Option<Work>, Vec<WaitingOn>> {
    let Some(facts) = input.inventory.get(id) else {
        let fact = FactName::Boot;
        return Err(vec![WaitingOn::MissingFact { fact }]);
    };
    let mut reasons = belongs(facts);
    reasons.extend(tenants(input, facts));
    reasons.extend(managers(input, facts));
    if input.constraints.needs_topology(id) && facts.topology.is_none() {
        let fact = FactName::Topology;
        reasons.push(WaitingOn::MissingFact { fact });
    }
    reasons.extend(recent(input, facts.orders.as_ref(), FactName::Orders).err());
    let packages = packages::known(input, facts);
    match packages {
        Ok(known) => {
            reasons.extend(package_state(known));
            reasons.extend(packages::offered(input, &rollout.spec.target, known).err());
            reasons.extend(holds::reasons(&rollout.spec.target, facts, known));
        }
        Err(ref no) => reasons.push(no.clone()),
    }
    let work = work(input, draft, rollout, facts, packages.ok());
    if !work.as_ref().is_ok_and(|work| mends_the_agent(facts, work)) {
        reasons.extend(older_agent(input, facts));
    }
    match work {
        Ok(Some(ref work)) if work.reboot.is_some() => {
            reasons.extend(way_back(input, facts).err());
        }
        Ok(_) => {}
        Err(ref no) => reasons.extend(no.iter().cloned()),
    }
    match (reasons.is_empty(), work) {
        (true, Ok(work)) => Ok(work),
        _ => Err(reasons),
    }
}

/// An older agent may not know what a newer one wrote down, and nobody ordered it: what it would do
/// with a ticket is not known.
fn older_agent(input: &PlanningInput<'_>, facts: &NodeFacts) -> Option<WaitingOn> {
    let seen = facts.agent.as_ref()?;
    let is_wanted = |release: Release| {
        let accepted = input.policy.accept_agent.as_ref();
        release >= seen.newest || accepted.is_some_and(|least| release >= *least)
    };
    let release = seen.version.parse();
    (!release.is_ok_and(is_wanted)).then(|| WaitingOn::OlderAgent {
        version: seen.version.clone(),
        before: seen.newest.to_string(),
    })
}

/// It brings the agent alone, at a version that is not older than any that ran there: that mends what it
/// would be held for. Anything beside it would be carried out by the older agent.
fn mends_the_agent(facts: &NodeFacts, work: &Option<Work>) -> bool {
    let Some(Work {
        patch: Some(patch),
        reboot: None,
        ..
    }) = work
    else {
        return false;
    };
    let [change] = patch.changes() else {
        return false;
    };
    let newest = facts.agent.as_ref().map(|seen| &seen.newest);
    let to = release(change.to.as_str());
    change.name.as_str() == AGENT
        && to
            .as_ref()
            .zip(newest)
            .is_some_and(|(to, newest)| to >= newest)
}

/// The release in the version of the agent's package, where `~` stands for what is `-` before a
/// candidate. The packaging's own number behind the last `-` does not count.
fn release(version: &str) -> Option<Release> {
    let is_number = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let own = match version.rsplit_once('-') {
        Some((own, revision)) if is_number(revision) => own,
        _ => version,
    };
    own.replace('~', "-").parse().ok()
}

fn recent<'a, T>(
    input: &PlanningInput<'_>,
    fact: Option<&'a Fact<T>>,
    name: FactName,
) -> Result<&'a T, WaitingOn> {
    fresh(fact, name, input.now, input.policy.ages.inventory)
}

/// Whether the node is a healthy part of the fleet.
fn belongs(facts: &NodeFacts) -> Vec<WaitingOn> {
    let mut reasons = Vec::new();
    if facts.admission != Admission::Enrolled {
        let admission = facts.admission;
        reasons.push(WaitingOn::NotEnrolled { admission });
    }
    if let Some(how) = &facts.restricted {
        reasons.push(WaitingOn::Restricted { how: how.clone() });
    }
    if facts.availability != Availability::Online {
        let availability = facts.availability;
        reasons.push(WaitingOn::NotOnline { availability });
    } else if matches!(facts.absence(), Some((Absence::InMaintenance, _))) {
        let by = facts.wanted_by.as_ref().map(|(by, _)| by.clone());
        let by = by.unwrap_or_else(|| "an operator".to_owned());
        reasons.push(WaitingOn::InMaintenance { by });
    }
    reasons
}

/// A hook that is not there says no.
fn tenants(input: &PlanningInput<'_>, facts: &NodeFacts) -> Vec<WaitingOn> {
    match recent(input, facts.tenants.as_ref(), FactName::Workload) {
        Err(no) => vec![no],
        Ok(tenants) => {
            let unasked = tenants.difference(&input.oracles.can_ask);
            unasked
                .map(|t| WaitingOn::NoOracle { tenant: *t })
                .collect()
        }
    }
}

fn managers(input: &PlanningInput<'_>, facts: &NodeFacts) -> Vec<WaitingOn> {
    let managers: &ManagerFacts = match recent(input, facts.managers.as_ref(), FactName::Managers) {
        Err(no) => return vec![no],
        Ok(managers) => managers,
    };
    let domain = Domain::Patching;
    let foreign = managers.managers.iter().filter(|m| m.domain == domain);
    let mut reasons: Vec<_> = foreign
        .map(|m| WaitingOn::ForeignManager {
            domain,
            name: m.name.clone(),
        })
        .collect();
    let mode = managers
        .modes
        .get(domain.as_str())
        .copied()
        .unwrap_or_default();
    if mode != DomainMode::Act {
        reasons.push(WaitingOn::NotAllowedToAct { domain, mode });
    }
    reasons
}

/// Nothing is put on top of packages that are broken, or that somebody works on.
fn package_state(facts: &PackageFacts) -> Vec<WaitingOn> {
    let mut reasons: Vec<_> = facts
        .broken
        .iter()
        .map(|b| WaitingOn::PackagesBroken {
            package: b.name.clone(),
            state: b.state.clone(),
        })
        .collect();
    match facts.interrupted {
        Some(false) => {}
        Some(true) => reasons.push(WaitingOn::PackagesBroken {
            package: "(dpkg's journal)".to_owned(),
            state: "interrupted".to_owned(),
        }),
        None => reasons.push(WaitingOn::MissingFact {
            fact: FactName::Packages,
        }),
    }
    if !facts.busy.is_empty() {
        let by = facts.busy.join(", ");
        reasons.push(WaitingOn::PackageManagerBusy { by });
    }
    reasons
}

fn way_back(input: &PlanningInput<'_>, facts: &NodeFacts) -> Result<(), WaitingOn> {
    let way = recent(input, facts.way_back.as_ref(), FactName::WayBack)?;
    way.clone().map_err(|why| WaitingOn::NoWayBack { why })
}

fn work(
    input: &PlanningInput<'_>,
    draft: &Draft,
    rollout: &Rollout,
    facts: &NodeFacts,
    packages: Option<&PackageFacts>,
) -> Result<Option<Work>, Vec<WaitingOn>> {
    let boot = recent(input, facts.boot.as_ref(), FactName::Boot);
    let release = recent(input, facts.release.as_ref(), FactName::Release);
    let unknown = || WaitingOn::MissingFact {
        fact: FactName::Packages,
    };
    match (boot, release, packages) {
        (Ok(boot), Ok(release), Some(packages)) if packages.upgradable.is_some() => {
            let resolved = draft.content.rollouts.get(rollout.name());
            let resolved = resolved.map_or(&[][..], |p| p.resolved.as_slice());
            versions::work(&rollout.spec.target, resolved, release, packages, *boot)
                .map_err(|no| vec![no])
        }
        (boot, release, packages) => {
            let mut no: Vec<_> = [boot.err(), release.err()].into_iter().flatten().collect();
            no.extend(
                packages
                    .is_some_and(|p| p.upgradable.is_none())
                    .then(unknown),
            );
            Err(no)
        }
    }
}
