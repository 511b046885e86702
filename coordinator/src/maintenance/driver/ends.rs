//! Ends of attempts, for the record and for people.

use std::collections::BTreeMap;

use h8lio_executor::Ended;
use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeName, RolloutName};
use h8lio_model::order::AttemptId;
use h8lio_model::plan::{NodeState, Plan};
use h8lio_planner::inventory::Inventory;
use jiff::Timestamp;

use super::Driver;
use crate::audit::AuditDraft;

/// By rollout, then by what became of the node: attempts by node. Kept short, for all of it is one
/// entry.
type Grouped = BTreeMap<RolloutName, BTreeMap<NodeState, BTreeMap<NodeName, AttemptId>>>;

/// One entry of the audit log for all attempts that end with a plan. `None`: none does.
pub(super) fn draft(
    ends: &[Ended],
    plan: &Plan,
    inventory: &Inventory,
    now: Timestamp,
) -> Option<AuditDraft> {
    if ends.is_empty() {
        return None;
    }
    let mut grouped = Grouped::new();
    for end in ends {
        let rollout = grouped.entry(end.rollout.clone()).or_default();
        let state = rollout.entry(end.state).or_default();
        state.insert(inventory.name(end.node), end.attempt);
    }
    Some(AuditDraft {
        at: now,
        actor: "coordinator".to_owned(),
        action: "attempt.ended".to_owned(),
        target: format!("plan/{}", plan.id()),
        reason: format!(
            "{} reported by agents, or ended by a person's word",
            ends.len()
        ),
        ticket: None,
        request_id: String::new(),
        request: serde_json::to_string(&grouped).unwrap_or_default(),
    })
}

impl Driver {
    /// One event for each.
    pub(super) fn say_ends(&self, ends: &[Ended]) {
        for end in ends {
            let Some(node) = self.parts.registry.by_id(end.node) else {
                continue;
            };
            let name = node.record().value.name.clone();
            let reported = self
                .known
                .get(&end.node)
                .and_then(|k| k.record.end.as_ref());
            let reported = reported.filter(|r| r.attempt == end.attempt);
            let why = match reported {
                Some(r) if end.state != NodeState::Done => {
                    format!(" ({}: {})", r.reason, r.message)
                }
                _ => String::new(),
            };
            let (severity, reason, what) = words(end.state);
            let message = format!("node {name} {what} in rollout {}{why}", end.rollout);
            let feed = &self.parts.feed;
            feed.node(severity, reason, end.node, &name, message);
        }
    }
}

const fn words(state: NodeState) -> (Severity, &'static str, &'static str) {
    match state {
        NodeState::Done => (Severity::Info, "NodeDone", "is done"),
        NodeState::Failed => (Severity::Warning, "NodeFailed", "failed"),
        NodeState::RolledBack => (Severity::Warning, "NodeRolledBack", "was rolled back"),
        NodeState::Gone => (
            Severity::Warning,
            "NodeGone",
            "left the fleet within its turn",
        ),
        NodeState::Waiting | NodeState::InSlot | NodeState::NothingToDo => (
            Severity::Info,
            "NodeTakenBack",
            "was taken back untouched and waits",
        ),
    }
}
