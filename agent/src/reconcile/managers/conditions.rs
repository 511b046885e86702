//! One condition for each domain that somebody else manages.

use std::collections::BTreeMap;

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{Domain, ForeignManager, ManagerFacts};
use jiff::Timestamp;

use super::handover::next_move;
use crate::words::{list, plain};

/// Conditions by domain (the subject), `since` and `observed_at` being `now`. The message names
/// every manager, what was seen of it and how to take the domain over.
pub fn conditions(facts: &ManagerFacts, now: Timestamp) -> Vec<Condition> {
    let mut domains: BTreeMap<Domain, Vec<&ForeignManager>> = BTreeMap::new();
    for manager in &facts.managers {
        domains.entry(manager.domain).or_default().push(manager);
    }
    domains
        .into_iter()
        .map(|(domain, managers)| Condition {
            kind: ConditionType::ForeignManager,
            status: Status::True,
            reason: "ManagedElsewhere".to_owned(),
            subject: domain.to_string(),
            message: message(domain, &managers),
            since: now,
            observed_at: now,
        })
        .collect()
}

fn message(domain: Domain, managers: &[&ForeignManager]) -> String {
    let told: Vec<_> = managers
        .iter()
        .map(|m| format!("{} ({})", plain(&m.name), list(&m.evidence, 3)))
        .collect();
    let moves: Vec<_> = managers
        .iter()
        .filter_map(|m| {
            Some(format!(
                "{}: {}",
                plain(&m.name),
                next_move(domain, &m.name)?
            ))
        })
        .collect();
    let takes_over = moves.len() == managers.len();
    let next = if takes_over {
        format!(
            "h8lio refuses to act there until it is handed over ({})",
            moves.join("; ")
        )
    } else {
        "h8lio observes and never acts there".to_owned()
    };
    format!("{domain} is managed by {}; {next}", told.join(" and "))
}
