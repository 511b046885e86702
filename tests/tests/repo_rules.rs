//! The repository keeps its own rules, and each rule can fail.

use h8lio_tests::repo::rules::{ALL, Rule};
use h8lio_tests::repo::tree::Tree;

#[test]
fn the_repository_keeps_every_rule() {
    let tree = Tree::read().expect("the repository can be read");
    assert!(
        tree.rust().count() > 20,
        "too few Rust files: was the repository found?"
    );
    let complaints: Vec<String> = ALL
        .iter()
        .filter_map(|rule| rule.complaint(&tree))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_rule_objects_to_its_counterexample() {
    for rule in ALL {
        let tree = Tree::of(rule.counterexample);
        assert!(
            rule.complaint(&tree).is_some(),
            "this rule cannot fail: {}",
            rule.name
        );
    }
}

#[test]
fn a_complaint_names_the_place_the_rule_the_reason_and_the_remedy() {
    for Rule {
        name, why, remedy, ..
    } in ALL
    {
        assert!(
            why.len() > 20 && remedy.len() > 10,
            "say more about: {name}"
        );
    }
    let rule = ALL
        .iter()
        .find(|rule| rule.name.contains("names linux"))
        .expect("the rule exists");
    let tree = Tree::of(rule.counterexample);
    let text = rule.complaint(&tree).expect("the counterexample breaks it");
    for part in [
        "agent/src/session/mod.rs:1: names crate::linux::exec::run",
        rule.why,
        rule.remedy,
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}
