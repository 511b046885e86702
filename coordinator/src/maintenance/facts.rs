//! From the registry to what the planner knows of a node. What is missing here is a no there.

use std::collections::BTreeSet;

use h8lio_model::ids::BootId;
use h8lio_model::inventory::{OsFacts, WayBack};
use h8lio_model::lifecycle::Restriction;
use h8lio_model::order::OrderReport;
use h8lio_model::plan::Tenant;
use h8lio_planner::inventory::{self, AgentSeen, Fact, NodeFacts};
use jiff::SignedDuration;

use super::sections::Sections;
use crate::registry::Node;
use crate::registry::records::SeenRecord;

/// What is known of a node now. `boot` is what its open session says: facts about the operating
/// system from before that boot are none any more. `orders` is what may be believed of its ledger.
pub(super) fn facts(
    node: &Node,
    sections: &Sections,
    boot: Option<BootId>,
    orders: Option<Fact<OrderReport>>,
    estimate: SignedDuration,
) -> NodeFacts {
    let record = node.record();
    let record = &record.value;
    let verdict = node.verdict();
    let os = sections
        .os
        .as_ref()
        .filter(|os| boot.is_none_or(|boot| os.value.boot_id == Some(boot)));
    NodeFacts {
        name: record.name.clone(),
        admission: record.admission,
        restricted: node.restriction().map(|r| word(&r).to_owned()),
        wanted: record.scheduling,
        // The record does not say who wanted it; the audit log does.
        wanted_by: None,
        availability: verdict.availability,
        availability_since: verdict.since,
        roles: record.roles.clone(),
        topology: record.topology.clone(),
        labels: record.labels.clone(),
        estimate,
        boot: os.and_then(|os| some(os, os.value.boot_id)),
        release: os.and_then(|os| some(os, release(&os.value))),
        packages: whole(sections.packages.as_ref()),
        tenants: tenants(
            os.map(|os| Fact::new(os.value.as_ref(), os.observed_at)),
            sections,
        ),
        managers: whole(sections.managers.as_ref()),
        way_back: os.and_then(|os| some(os, os.value.way_back.as_ref().map(way_back))),
        orders,
        agent: agent(&node.seen()),
    }
}

fn agent(seen: &SeenRecord) -> Option<AgentSeen> {
    Some(AgentSeen {
        version: seen.agent_version.clone()?,
        newest: seen.newest_agent()?,
    })
}

const fn word(restriction: &Restriction) -> &'static str {
    match restriction {
        Restriction::Banned { .. } => "banned",
        Restriction::Quarantined { .. } => "quarantined",
    }
}

/// A part of a section is as old as the section.
fn some<S, T>(section: &Fact<S>, part: Option<T>) -> Option<Fact<T>> {
    part.map(|part| Fact::new(part, section.observed_at))
}

fn whole<T: Clone>(section: Option<&Fact<std::sync::Arc<T>>>) -> Option<Fact<T>> {
    section.map(|s| Fact::new(s.value.as_ref().clone(), s.observed_at))
}

/// `debian/12`. A release without a number (testing, unstable) is none that versions could be
/// settled for.
fn release(os: &OsFacts) -> Option<String> {
    let version = os.version.as_ref()?;
    let is_whole = !os.id.is_empty() && !version.is_empty();
    is_whole.then(|| format!("{}/{version}", os.id))
}

fn way_back(way: &WayBack) -> inventory::WayBack {
    match way {
        WayBack::Grub { .. } | WayBack::Firmware | WayBack::Kexec => Ok(()),
        WayBack::No { why } => Err(why.clone()),
    }
}

/// What runs on the server that somebody must be asked about: by its processes, and by what is
/// installed and happens not to run. Nothing at all is known while one of the three cannot be told.
fn tenants(os: Option<Fact<&OsFacts>>, sections: &Sections) -> Option<Fact<BTreeSet<Tenant>>> {
    let (os, osds, runtime) = (os?, sections.osds.as_ref()?, sections.runtime.as_ref()?);
    let running = os.value.daemons.as_ref()?;
    // A newer agent may know of more that has to be asked about than this coordinator can ask.
    let mut found: BTreeSet<Tenant> = running.iter().map(|n| tenant(n)).collect::<Option<_>>()?;
    if !osds.value.osds.is_empty() {
        found.insert(Tenant::Osd);
    }
    if runtime.value.kubelet.is_some() {
        found.insert(Tenant::Kubelet);
    }
    let oldest = os
        .observed_at
        .min(osds.observed_at)
        .min(runtime.observed_at);
    Some(Fact::new(found, oldest))
}

fn tenant(process: &str) -> Option<Tenant> {
    match process {
        "ceph-osd" => Some(Tenant::Osd),
        "ceph-mon" => Some(Tenant::Mon),
        "etcd" => Some(Tenant::Etcd),
        "kubelet" => Some(Tenant::Kubelet),
        _ => None,
    }
}

#[cfg(test)]
#[path = "facts_tests.rs"]
mod tests;
