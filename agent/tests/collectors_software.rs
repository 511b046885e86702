//! The collectors for network, packages, runtimes and other managers, for real on this machine.
//! What the machine has is unknown, so facts are asserted only where every Linux has them; what
//! is asserted always is that nothing fails as a whole and that JSON carries the answer unchanged.

use std::collections::BTreeMap;

use h8lio_agent::host::managers::ManagersHost;
use h8lio_agent::host::network::NetworkHost;
use h8lio_agent::host::packages::PackagesHost;
use h8lio_agent::host::runtime::RuntimeHost;
use h8lio_agent::linux::managers::LinuxManagers;
use h8lio_agent::linux::network::LinuxNetwork;
use h8lio_agent::linux::packages::LinuxPackages;
use h8lio_agent::linux::runtime::LinuxRuntime;
use h8lio_agent::reconcile::{managers, network, patching, runtime};
use h8lio_model::condition::Condition;
use h8lio_model::inventory::Problem;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

const REASONS: [&str; 5] = [
    "ToolMissing",
    "NotPermitted",
    "TimedOut",
    "NotUnderstood",
    "Failed",
];

fn check<T>(facts: &T, problems: &[Problem], conditions: &[Condition])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let json = serde_json::to_string(facts).expect("encodes");
    let back: T = serde_json::from_str(&json).expect("decodes");
    assert_eq!(back, *facts);
    for problem in problems {
        assert!(REASONS.contains(&&*problem.reason), "{problem:?}");
        assert!(
            !problem.what.is_empty() && !problem.message.is_empty(),
            "{problem:?}"
        );
        assert!(!problem.message.contains('\n'), "{problem:?}");
    }
    for condition in conditions {
        assert!(!condition.message.is_empty(), "{condition:?}");
        assert!(!condition.message.contains('\n'), "{condition:?}");
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("in range")
}

#[test]
fn the_network_of_this_machine_is_read() {
    let host = LinuxNetwork::new();
    let facts = network::facts(&host.network(), Some(&host.neighbours()));
    check(&facts, &facts.problems, &network::conditions(&facts, now()));
    assert!(facts.interfaces.iter().any(|i| i.name == "lo"));
}

#[test]
fn the_packages_of_this_machine_are_read_and_the_reading_changes_nothing() {
    let host = LinuxPackages::new();
    let before = host.fingerprint();
    let facts = patching::facts(&host.packages());
    if facts.busy.is_empty() {
        assert_eq!(host.fingerprint(), before);
    }
    check(
        &facts,
        &facts.problems,
        &patching::conditions(&facts, now()),
    );
    let is_known = facts.manager.is_some();
    assert!(is_known || facts.problems.iter().any(|p| p.what == "package manager"));
    if is_known {
        assert!(
            facts.installed.is_some_and(|n| n > 10),
            "{:?}",
            facts.problems
        );
    }
}

#[test]
fn the_runtimes_of_this_machine_are_asked() {
    let facts = runtime::facts(&LinuxRuntime::new().runtime());
    check(&facts, &facts.problems, &runtime::conditions(&facts, now()));
}

#[test]
fn the_managers_of_this_machine_are_looked_for() {
    let facts = managers::facts(&LinuxManagers::new().traces(), &BTreeMap::new());
    check(
        &facts,
        &facts.problems,
        &managers::conditions(&facts, now()),
    );
    assert!(facts.managers.iter().all(|m| !m.evidence.is_empty()));
}
