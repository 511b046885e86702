//! Who else manages a domain of this server. A trace that could not be looked at never means
//! that nobody is there; a problem stands beside the facts.

mod conditions;
mod disks;
mod handover;
mod network;
mod patching;
mod public_ips;
mod refusal;
mod runtime;
mod seen;
mod watchdog;

use std::collections::BTreeMap;

use h8lio_model::inventory::{Domain, DomainMode, ForeignManager, ManagerFacts};

pub use conditions::conditions;
pub use refusal::{Refusal, refusal};

use crate::host::managers::ManagerTraces;
use seen::Seen;

/// Managers found in each domain, sorted, with the modes that the server's owner configured.
pub fn facts(traces: &ManagerTraces, modes: &BTreeMap<Domain, DomainMode>) -> ManagerFacts {
    let seen = Seen(traces);
    let mut managers = Vec::new();
    let found = [
        (Domain::Patching, patching::managers(&seen)),
        (Domain::Disks, disks::managers(&seen)),
        (Domain::Network, network::managers(&seen)),
        (Domain::Runtime, runtime::managers(&seen)),
        (Domain::PublicIps, public_ips::managers(&seen)),
        (Domain::Watchdog, watchdog::managers(&seen)),
    ];
    for (domain, found) in found {
        managers.extend(
            found
                .into_iter()
                .filter(|m| !m.evidence.is_empty())
                .map(|m| ForeignManager {
                    domain,
                    name: m.name.to_owned(),
                    evidence: m.evidence,
                }),
        );
    }
    managers.sort();
    ManagerFacts {
        managers,
        modes: modes
            .iter()
            .map(|(domain, mode)| (domain.to_string(), *mode))
            .collect(),
        problems: traces.problems.clone(),
    }
}

/// A manager and what was seen of it; without evidence it is not there.
struct Manager {
    name: &'static str,
    evidence: Vec<String>,
}

fn manager(name: &'static str, evidence: impl IntoIterator<Item = Vec<String>>) -> Manager {
    Manager {
        name,
        evidence: evidence.into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests;
