//! The pages say what the code does.

use std::collections::BTreeSet;

use h8lio_model::condition::ConditionType;
use h8lio_model::event::Severity;

use super::super::conditions::severity;
use super::super::reason::Reason;

const EVENTS: &str = include_str!("../../../../../docs/events.md");
const CONDITIONS: &str = include_str!("../../../../../docs/conditions.md");

#[test]
fn each_reason_has_its_line_in_the_page_and_the_page_has_no_other() {
    let (changes, _) = EVENTS.split_once("## Other events").expect("both parts");
    let listed: Vec<&str> = changes
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(reason, _)| reason)
        .collect();
    let once: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(once.len(), listed.len(), "a reason is listed twice");
    let known: BTreeSet<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
    assert_eq!(once, known);
}

#[test]
fn the_severity_of_each_condition_is_as_documented() {
    for kind in ConditionType::ALL {
        let word = match severity(*kind) {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Alert => "alert",
        };
        let name = kind.name();
        let row = format!("| [{name}](#{}) | {word} |", name.to_lowercase());
        assert!(CONDITIONS.contains(&row), "docs/conditions.md lacks {row}");
    }
}
