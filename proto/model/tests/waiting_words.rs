//! Every reason has a word, a sentence, a next move, an age that survives, and a row in the docs.

use std::collections::BTreeSet;

use h8lio_model::inventory::{Domain, DomainMode};
use h8lio_model::lifecycle::{Admission, Availability};
use h8lio_model::order::Outcome;
use h8lio_model::plan::{Absence, Change, FactName, Tenant, WaitingOn};
use jiff::{SignedDuration, Timestamp};

/// One of each. A reason that is missing here does not compile in [`place`].
fn one_of_each() -> Vec<WaitingOn> {
    use WaitingOn as W;
    let at = Timestamp::from_second(60).expect("in range");
    let text = || "x".to_owned();
    let node = || "s1".parse().expect("a name");
    let rollout = || "march".parse().expect("a rollout");
    let (fact, tenant, domain) = (FactName::Boot, Tenant::Osd, Domain::Patching);
    let age = SignedDuration::from_mins(9);
    vec![
        W::FrozenCoordinator { because: text() },
        W::Paused { by: text() },
        W::Cancelled { by: text() },
        W::FailureThreshold {
            failed: 1,
            threshold: 1,
        },
        W::KeptSlot {
            node: node(),
            outcome: Outcome::RolledBack,
        },
        W::Window { next: Some(at) },
        W::Freeze {
            name: text(),
            until: Some(at),
        },
        W::HealthCheck {
            name: text(),
            says: text(),
        },
        W::CanarySoak { until: at },
        W::Soak { wave: 1, until: at },
        W::Wave {
            current: 1,
            mine: 2,
        },
        W::OtherRollout { rollout: rollout() },
        W::DeadlineImpossible {
            deadline: at,
            finish: None,
            because: text(),
        },
        W::Quota {
            constraint: text(),
            domain: text(),
            limit: 1,
            taken: 1,
        },
        W::DomainTaken {
            constraint: text(),
            domain: text(),
            by: node(),
            absence: Absence::Slot,
        },
        W::QuorumTogether {
            constraint: text(),
            by: node(),
        },
        W::QuorumLast {
            constraint: text(),
            remaining: 1,
        },
        W::After {
            constraint: text(),
            remaining: 1,
        },
        W::NotEnrolled {
            admission: Admission::Pending,
        },
        W::Restricted { how: text() },
        W::NotOnline {
            availability: Availability::Suspect,
        },
        W::InMaintenance { by: text() },
        W::StaleFact {
            fact,
            age,
            limit: age,
        },
        W::MissingFact { fact },
        W::OutdatedFact {
            fact,
            before: Change::Boot,
        },
        W::NoOracle { tenant },
        W::Oracle {
            tenant,
            says: text(),
        },
        W::ForeignManager {
            domain,
            name: text(),
        },
        W::NotAllowedToAct {
            domain,
            mode: DomainMode::Observe,
        },
        W::PackagesBroken {
            package: text(),
            state: text(),
        },
        W::PackageManagerBusy { by: text() },
        W::PackageHeld { package: text() },
        W::NoWayBack { why: text() },
        W::TerminalState { step: None },
        W::Withdrawal,
        W::UnknownEnd,
        W::PersonsWord {
            outcome: Outcome::Failed,
        },
        W::HealthCheckUnasked {
            name: text(),
            since: Timestamp::UNIX_EPOCH,
        },
        W::LeftTheFleet { node: node() },
        W::HeldAfterFallback {
            package: text(),
            since: Timestamp::UNIX_EPOCH,
        },
        W::OlderAgent {
            version: text(),
            before: text(),
        },
        W::ChangedByHand,
    ]
}

const KINDS: usize = 42;

/// The place of each kind in [`one_of_each`].
const fn place(on: &WaitingOn) -> usize {
    use WaitingOn as W;
    match on {
        W::FrozenCoordinator { .. } => 0,
        W::Paused { .. } => 1,
        W::Cancelled { .. } => 2,
        W::FailureThreshold { .. } => 3,
        W::KeptSlot { .. } => 4,
        W::Window { .. } => 5,
        W::Freeze { .. } => 6,
        W::HealthCheck { .. } => 7,
        W::CanarySoak { .. } => 8,
        W::Soak { .. } => 9,
        W::Wave { .. } => 10,
        W::OtherRollout { .. } => 11,
        W::DeadlineImpossible { .. } => 12,
        W::Quota { .. } => 13,
        W::DomainTaken { .. } => 14,
        W::QuorumTogether { .. } => 15,
        W::QuorumLast { .. } => 16,
        W::After { .. } => 17,
        W::NotEnrolled { .. } => 18,
        W::Restricted { .. } => 19,
        W::NotOnline { .. } => 20,
        W::InMaintenance { .. } => 21,
        W::StaleFact { .. } => 22,
        W::MissingFact { .. } => 23,
        W::OutdatedFact { .. } => 24,
        W::NoOracle { .. } => 25,
        W::Oracle { .. } => 26,
        W::ForeignManager { .. } => 27,
        W::NotAllowedToAct { .. } => 28,
        W::PackagesBroken { .. } => 29,
        W::PackageManagerBusy { .. } => 30,
        W::PackageHeld { .. } => 31,
        W::NoWayBack { .. } => 32,
        W::TerminalState { .. } => 33,
        W::Withdrawal => 34,
        W::UnknownEnd => 35,
        W::PersonsWord { .. } => 36,
        W::HealthCheckUnasked { .. } => 37,
        W::LeftTheFleet { .. } => 38,
        W::HeldAfterFallback { .. } => 39,
        W::OlderAgent { .. } => 40,
        W::ChangedByHand => 41,
    }
}

#[test]
fn there_is_one_of_each() {
    let places: Vec<usize> = one_of_each().iter().map(place).collect();
    assert_eq!(places, (0..KINDS).collect::<Vec<_>>());
}

#[test]
fn every_reason_is_a_sentence_with_a_next_move() {
    for on in one_of_each() {
        let (text, next) = (on.to_string(), on.unblocked_by());
        assert!(text.len() > 10 && !text.ends_with('.'), "{text}");
        assert!(next.len() >= 4 && next != text, "{next}");
    }
}

#[test]
fn every_reason_has_its_row_in_the_docs() {
    const PAGE: &str = include_str!("../../../docs/planner.md");
    let table = PAGE
        .split("\n## Reasons\n")
        .nth(1)
        .expect("the part on reasons");
    let words: BTreeSet<String> = one_of_each().iter().map(WaitingOn::word).collect();
    for word in &words {
        assert!(
            table.contains(&format!("`{word}`")),
            "docs/planner.md lacks {word}"
        );
    }
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let named = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'));
    for name in named.filter(|n| n.chars().any(char::is_alphabetic)) {
        assert!(
            words.contains(name),
            "docs/planner.md names {name}, which is no reason"
        );
    }
}

#[test]
fn every_reason_reads_back_from_json_under_its_own_word() {
    for on in one_of_each() {
        let json = serde_json::to_value(&on).expect("JSON");
        let mut word = on.word();
        word[..1].make_ascii_lowercase();
        assert_eq!(json["is"], word);
        assert_eq!(
            serde_json::from_value::<WaitingOn>(json).expect("reads"),
            on
        );
    }
}

#[test]
fn different_kinds_are_different_reasons_and_numbers_that_move_are_not() {
    let keys: BTreeSet<String> = one_of_each().iter().map(WaitingOn::key).collect();
    assert_eq!(keys.len(), KINDS);
    let quota = |taken| WaitingOn::Quota {
        constraint: "racks".into(),
        domain: "r1".into(),
        limit: 3,
        taken,
    };
    assert_eq!(quota(3).key(), quota(4).key());
}
