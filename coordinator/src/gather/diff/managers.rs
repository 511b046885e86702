//! Who else manages the server, and what h8lio may do there.

use h8lio_model::inventory::{DomainMode, ForeignManager, ManagerFacts};

use super::super::inventory::quoted;
use super::Events;
use super::pair::pair;
use super::reason::Reason;
use super::unread::{Seen, unread};

pub(super) fn diff(old: &ManagerFacts, new: &ManagerFacts, out: &mut Events) {
    if !unread("foreign managers", &seen(old), &seen(new), out) {
        managers(old, new, out);
    }
    for (domain, mode) in &new.modes {
        match old.modes.get(domain) {
            Some(before) if before != mode => {
                let (domain, a, b) = (quoted(domain), word(*before), word(*mode));
                let message = format!("domain {domain} is set to {b} on the server (was {a})");
                out.info(Reason::DomainModeChanged, message);
            }
            _ => {}
        }
    }
}

fn managers(old: &ManagerFacts, new: &ManagerFacts, out: &mut Events) {
    let pairs = pair(&old.managers, &new.managers, |m| (m.domain, &m.name));
    for manager in pairs.appeared {
        let evidence = manager.evidence.first();
        let evidence = evidence.map_or_else(String::new, |e| format!(" (seen: {})", quoted(e)));
        let message = format!("{}{evidence}", manages(manager));
        // Where h8lio may act, a second hand on the same thing is a conflict.
        if new.modes.get(manager.domain.as_str()) == Some(&DomainMode::Act) {
            let message = format!("{message}; h8lio may act there too: stop one of them");
            out.warning(Reason::ManagerAppeared, message);
        } else {
            out.info(Reason::ManagerAppeared, message);
        }
    }
    for manager in pairs.vanished {
        let message = format!("{} no more", manages(manager));
        out.info(Reason::ManagerVanished, message);
    }
}

fn seen(facts: &ManagerFacts) -> Seen<'_> {
    Seen {
        count: facts.managers.len(),
        problems: &facts.problems,
    }
}

fn manages(manager: &ForeignManager) -> String {
    format!("{} manages {}", quoted(&manager.name), manager.domain)
}

const fn word(mode: DomainMode) -> &'static str {
    match mode {
        DomainMode::Off => "off",
        DomainMode::Observe => "observe",
        DomainMode::Act => "act",
    }
}
