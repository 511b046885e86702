//! Whether h8lio may act in a domain of this server.

use h8lio_model::inventory::{Domain, DomainMode, ManagerFacts};

use crate::words::{list, plain};

/// Why h8lio does not act in a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server's owner set {domain} to {}; set it to act in /etc/h8lio/agent.toml", word(*.mode))]
    Mode { domain: Domain, mode: DomainMode },
    #[error("{domain} is managed by {}; hand it over first", list(.managers, 4))]
    ForeignManager {
        domain: Domain,
        managers: Vec<String>,
    },
    #[error("it cannot be told who manages {domain}: {} could not be read", plain(.what))]
    NotFullyKnown { domain: Domain, what: String },
}

const fn word(mode: DomainMode) -> &'static str {
    match mode {
        DomainMode::Off => "off",
        DomainMode::Observe => "observe",
        DomainMode::Act => "act",
    }
}

/// `None` when h8lio may act: the owner allows it, nobody else was found, and every trace could
/// be looked at. A trace that could not be read refuses all domains.
pub fn refusal(facts: &ManagerFacts, domain: Domain) -> Option<Refusal> {
    let mode = facts.modes.get(domain.as_str()).copied();
    let mode = mode.unwrap_or_default();
    if mode != DomainMode::Act {
        return Some(Refusal::Mode { domain, mode });
    }
    let found = facts.managers.iter().filter(|m| m.domain == domain);
    let managers: Vec<_> = found.map(|m| m.name.clone()).collect();
    if !managers.is_empty() {
        return Some(Refusal::ForeignManager { domain, managers });
    }
    let problem = facts.problems.first()?;
    Some(Refusal::NotFullyKnown {
        domain,
        what: problem.what.clone(),
    })
}
