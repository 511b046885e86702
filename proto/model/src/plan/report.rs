use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NodeState, PlanId, Waiting};
use crate::ids::{NodeId, NodeName, RolloutName};

/// What a plan does not do, and why. It is made with the plan and is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanReport {
    pub plan: PlanId,
    pub at: Timestamp,
    /// What holds the whole fleet.
    pub waiting: Vec<Waiting>,
    pub rollouts: BTreeMap<RolloutName, RolloutReport>,
    /// Everybody who takes part in a rollout that is not over.
    pub nodes: BTreeMap<NodeId, NodeReport>,
}

/// One rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutReport {
    pub state: RolloutState,
    pub wave: u32,
    pub count: Count,
    /// What holds the whole rollout.
    pub waiting: Vec<Waiting>,
    pub forecast: Option<Forecast>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolloutState {
    /// No node may be begun now.
    Waiting,
    Running,
    /// A failure stopped it; a person decides.
    Halted,
    Paused,
    /// Cancelled, and nodes are still in their slots.
    Cancelling,
    Cancelled,
    Finished,
}

/// Nodes by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    pub waiting: u32,
    pub in_slot: u32,
    pub done: u32,
    pub nothing_to_do: u32,
    pub failed: u32,
    pub rolled_back: u32,
    pub gone: u32,
}

impl Count {
    /// Counts one node.
    pub const fn add(&mut self, state: NodeState) {
        *(match state {
            NodeState::Waiting => &mut self.waiting,
            NodeState::InSlot => &mut self.in_slot,
            NodeState::Done => &mut self.done,
            NodeState::NothingToDo => &mut self.nothing_to_do,
            NodeState::Failed => &mut self.failed,
            NodeState::RolledBack => &mut self.rolled_back,
            NodeState::Gone => &mut self.gone,
        }) += 1;
    }
}

/// When it would be over if nothing else got in the way. Nodes that are blocked by something of
/// their own are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// `None`: windows end before the work does, as far as was looked.
    pub finish: Option<Timestamp>,
    /// No schedule can be shorter, whatever the order: from the budgets alone.
    pub not_before: Timestamp,
    /// Nodes left out.
    pub left_out: u32,
    /// What the end depends on, for example `constraint ceph-a: 12 racks one after the other`.
    pub because: String,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeReport {
    pub name: NodeName,
    pub parts: BTreeMap<RolloutName, NodePart>,
}

/// A node's part in one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePart {
    pub state: NodeState,
    pub wave: u32,
    /// All that holds the node itself; what holds its rollout stands there.
    pub waiting: Vec<Waiting>,
    /// When its turn comes by the forecast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Timestamp>,
}
