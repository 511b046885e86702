use std::collections::BTreeMap;

use super::*;

const PROTOCOL: &[(&str, &str)] = &[
    (
        "BackupService",
        include_str!("../../../proto/h8lio/v1/backup.proto"),
    ),
    (
        "FleetService",
        include_str!("../../../proto/h8lio/v1/fleet.proto"),
    ),
    (
        "NodeService",
        include_str!("../../../proto/h8lio/v1/nodes.proto"),
    ),
    (
        "RolloutService",
        include_str!("../../../proto/h8lio/v1/rollouts.proto"),
    ),
];

/// What the comment above each rpc says: `Service/Method` → comment.
fn said() -> BTreeMap<String, String> {
    let mut calls = BTreeMap::new();
    for (service, text) in PROTOCOL {
        let mut comment = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix("//") {
                comment += words;
                continue;
            }
            if let Some(rest) = line.strip_prefix("rpc ") {
                let method = rest.split('(').next().unwrap_or_default();
                calls.insert(format!("{service}/{method}"), comment.clone());
            }
            comment.clear();
        }
    }
    calls
}

#[test]
fn every_call_of_the_protocol_is_in_the_table_with_the_role_that_its_comment_names() {
    let said = said();
    let ours: Vec<_> = CALLS.iter().map(|c| c.rpc.to_owned()).collect();
    let mut sorted = ours.clone();
    sorted.sort();
    assert_eq!(sorted, said.keys().cloned().collect::<Vec<_>>());
    for call in CALLS {
        let words = match call.least {
            OperatorRole::Viewer => "The caller must be an operator (viewer).",
            OperatorRole::Operator => "The caller must be an operator.",
            OperatorRole::Approver => "The caller must be an approver.",
            OperatorRole::Admin => "The caller must be an admin",
        };
        let comment = &said[call.rpc];
        assert!(comment.contains(words), "{}: {comment}", call.rpc);
        assert_eq!(
            comment.contains("Read-only"),
            call.action.is_none(),
            "{}: {comment}",
            call.rpc
        );
    }
}

#[test]
fn what_changes_something_needs_more_than_a_viewer() {
    for call in CALLS {
        assert_eq!(call.least == OperatorRole::Viewer, call.action.is_none());
        if let Some(action) = call.action {
            assert_eq!(least(action), call.least);
        }
    }
}

#[test]
fn an_action_that_is_not_in_the_table_needs_an_admin() {
    assert_eq!(least("node.explode"), OperatorRole::Admin);
}

#[test]
fn the_table_in_the_documentation_is_the_code() {
    let page = include_str!("../../../docs/security.md");
    let roles = [
        OperatorRole::Viewer,
        OperatorRole::Operator,
        OperatorRole::Approver,
        OperatorRole::Admin,
    ];
    let mut table = String::from("| Call | In the audit log |");
    for role in roles {
        table += &format!(" {role} |");
    }
    table += "\n|---|---|---|---|---|---|\n";
    for call in CALLS {
        let action = call
            .action
            .map_or_else(|| "–".to_owned(), |a| format!("`{a}`"));
        table += &format!("| `{}` | {action} |", call.rpc);
        for role in roles {
            table += if role >= call.least { " yes |" } else { " |" };
        }
        table.push('\n');
    }
    assert!(
        page.contains(&table),
        "docs/security.md is behind the code; its table is now:\n\n{table}"
    );
}
