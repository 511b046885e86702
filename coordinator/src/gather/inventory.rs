//! From report sections to one inventory.

mod parse;
mod text;

use h8lio_model::inventory::{
    DiskFacts, HardwareFacts, ManagerFacts, NetworkFacts, OsFacts, PackageFacts, RuntimeFacts,
    Vitals,
};
use h8lio_model::inventory::{Inventory, OsdFacts, Problem};
use h8lio_model::node::Clusters;
use h8lio_model::section::SectionKind;
use jiff::Timestamp;

pub(crate) use parse::parse;
pub use parse::{BadSection, MAX_BYTES, MAX_DEPTH, check, conditions, orders};
pub(super) use text::{clean, phrase, quoted};

/// Puts the sections of one server together; each kind is expected once. A section that cannot be
/// understood is left out, returned, and named in the inventory's problems: an empty place in the
/// inventory always has its reason beside it.
pub fn assemble<'a>(
    sections: impl IntoIterator<Item = (SectionKind, &'a [u8], Timestamp)>,
) -> (Inventory, Vec<BadSection>) {
    let mut inventory = Inventory::default();
    let mut bad = Vec::new();
    for (kind, body, observed_at) in sections {
        match place(&mut inventory, kind, body) {
            Ok(()) => {
                let observed = &mut inventory.observed_at;
                observed.insert(kind.as_str().to_owned(), observed_at);
            }
            Err(e) => {
                inventory.problems.push(problem(&e));
                bad.push(e);
            }
        }
    }
    inventory.problems.extend(several_clusters(&inventory));
    inventory.problems.sort();
    inventory.problems.dedup();
    (inventory, bad)
}

/// Reads one section into its place.
fn place(inventory: &mut Inventory, kind: SectionKind, body: &[u8]) -> Result<(), BadSection> {
    let problems = match kind {
        SectionKind::Hardware => {
            let facts: HardwareFacts = parse(kind, body)?;
            inventory.cpu = Some(facts.cpu.clone());
            inventory.memory = Some(facts.memory.clone());
            let problems = facts.problems.clone();
            inventory.hardware = Some(facts);
            problems
        }
        SectionKind::Os => {
            let facts: OsFacts = parse(kind, body)?;
            let problems = facts.problems.clone();
            inventory.os = Some(facts);
            problems
        }
        SectionKind::Packages => {
            let facts: PackageFacts = parse(kind, body)?;
            let problems = facts.problems.clone();
            inventory.packages = Some(facts);
            problems
        }
        SectionKind::Disks => {
            let facts: DiskFacts = parse(kind, body)?;
            inventory.disks = Some(facts.disks);
            facts.problems
        }
        SectionKind::Osds => {
            let facts: OsdFacts = parse(kind, body)?;
            inventory.osds = Some(facts.osds);
            facts.problems
        }
        SectionKind::Network => {
            let facts: NetworkFacts = parse(kind, body)?;
            inventory.interfaces = Some(facts.interfaces);
            inventory.routes = Some(facts.routes);
            facts.problems
        }
        SectionKind::Runtime => {
            let facts: RuntimeFacts = parse(kind, body)?;
            let problems = facts.problems.clone();
            inventory.runtime = Some(facts);
            problems
        }
        SectionKind::Managers => {
            let facts: ManagerFacts = parse(kind, body)?;
            let problems = facts.problems.clone();
            inventory.managers = Some(facts);
            problems
        }
        // A node's conditions stand beside its inventory, not in it.
        SectionKind::Conditions => {
            conditions(body)?;
            Vec::new()
        }
        SectionKind::Vitals => {
            inventory.vitals = Some(parse::<Vitals>(kind, body)?);
            Vec::new()
        }
        SectionKind::Orders => {
            inventory.orders = Some(orders(body)?);
            Vec::new()
        }
    };
    inventory.problems.extend(problems);
    Ok(())
}

fn problem(bad: &BadSection) -> Problem {
    Problem {
        what: format!("section {}", bad.kind()),
        reason: "NotUnderstood".to_owned(),
        message: bad.to_string(),
    }
}

/// The clusters that the server takes part in. A server whose OSDs belong to several Ceph
/// clusters has no *one* Ceph cluster: the answer is `None`, and [`several_clusters`] says why.
pub fn clusters(inventory: &Inventory) -> Clusters {
    let kubelet = inventory.runtime.as_ref().and_then(|r| r.kubelet.as_ref());
    Clusters {
        kubernetes: kubelet.and_then(|k| k.api_server.clone()),
        ceph_fsid: match fsids(inventory).as_slice() {
            [one] => Some((*one).to_owned()),
            _ => None,
        },
    }
}

/// The problem of a server whose OSDs belong to more than one Ceph cluster.
pub fn several_clusters(inventory: &Inventory) -> Option<Problem> {
    let fsids = fsids(inventory);
    if fsids.len() < 2 {
        return None;
    }
    let listed: Vec<String> = fsids.iter().take(5).map(|f| quoted(f)).collect();
    Some(Problem {
        what: "ceph clusters".to_owned(),
        reason: "SeveralClusters".to_owned(),
        message: format!(
            "the server's OSDs belong to {} Ceph clusters ({}), so it counts as part of none; retire the OSDs of all but one",
            fsids.len(),
            listed.join(", ")
        ),
    })
}

/// The different cluster fsids of the OSDs, sorted; OSDs that do not say theirs are passed over.
fn fsids(inventory: &Inventory) -> Vec<&str> {
    let osds = inventory.osds.iter().flatten();
    let mut fsids: Vec<&str> = osds.filter_map(|o| o.cluster_fsid.as_deref()).collect();
    fsids.sort_unstable();
    fsids.dedup();
    fsids
}

#[cfg(test)]
mod tests;
