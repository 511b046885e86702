//! Which role each call of an operator needs. One table: the calls look it up, docs/security.md
//! shows it, and the comments of the protocol say the same.

use h8lio_model::operator::OperatorRole;

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// `Service/Method`, as in the protocol.
    pub rpc: &'static str,
    /// Its name in the audit log; `None` for calls that only read.
    pub action: Option<&'static str>,
    /// The least role; each role includes those before it.
    pub least: OperatorRole,
}

const fn read(rpc: &'static str) -> Call {
    Call {
        rpc,
        action: None,
        least: OperatorRole::Viewer,
    }
}

const fn change(rpc: &'static str, action: &'static str, least: OperatorRole) -> Call {
    Call {
        rpc,
        action: Some(action),
        least,
    }
}

/// Every call of an operator.
pub const CALLS: &[Call] = &[
    read("FleetService/GetStatus"),
    read("FleetService/ListTokens"),
    read("FleetService/ListEvents"),
    read("FleetService/FollowEvents"),
    read("FleetService/ListAudit"),
    read("FleetService/VerifyAudit"),
    read("FleetService/ListOperators"),
    read("NodeService/ListNodes"),
    read("NodeService/GetNode"),
    read("RolloutService/ListRollouts"),
    read("RolloutService/GetRollout"),
    read("RolloutService/Explain"),
    read("RolloutService/WhatIf"),
    read("BackupService/GetRecovery"),
    change(
        "BackupService/CreateBackup",
        "backup.create",
        OperatorRole::Admin,
    ),
    change(
        "BackupService/AcceptRecovery",
        "backup.accept",
        OperatorRole::Admin,
    ),
    change(
        "FleetService/CreateToken",
        "token.create",
        OperatorRole::Operator,
    ),
    change(
        "FleetService/RevokeToken",
        "token.revoke",
        OperatorRole::Operator,
    ),
    change(
        "NodeService/UpdateNode",
        "node.update",
        OperatorRole::Operator,
    ),
    change(
        "RolloutService/CreateRollout",
        "rollout.create",
        OperatorRole::Operator,
    ),
    change(
        "RolloutService/ControlRollout",
        "rollout.control",
        OperatorRole::Operator,
    ),
    change(
        "RolloutService/RetryNode",
        "rollout.retry",
        OperatorRole::Operator,
    ),
    change(
        "RolloutService/AcknowledgeAttempt",
        "rollout.acknowledge",
        OperatorRole::Approver,
    ),
    change(
        "NodeService/ApproveNode",
        "node.approve",
        OperatorRole::Approver,
    ),
    change("NodeService/BanNode", "node.ban", OperatorRole::Approver),
    change(
        "NodeService/UnbanNode",
        "node.unban",
        OperatorRole::Approver,
    ),
    change(
        "NodeService/DecommissionNode",
        "node.decommission",
        OperatorRole::Approver,
    ),
    change(
        "NodeService/AllowRecovery",
        "node.allowRecovery",
        OperatorRole::Approver,
    ),
    change(
        "FleetService/CreateOperator",
        "operator.create",
        OperatorRole::Admin,
    ),
    change(
        "FleetService/RevokeOperator",
        "operator.revoke",
        OperatorRole::Admin,
    ),
];

/// The role that an action needs. One that is not in the table needs the highest.
pub fn least(action: &str) -> OperatorRole {
    let call = CALLS.iter().find(|c| c.action == Some(action));
    call.map_or(OperatorRole::Admin, |c| c.least)
}

#[cfg(test)]
#[path = "roles_tests.rs"]
mod tests;
