//! What operators are shown of rollouts: the answers of the coordinator's calls, and the JSON of
//! `h8lctl`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RolloutSpec;
use crate::ids::{NodeId, NodeName};
use crate::order::{AttemptId, Outcome, SafePoint};
use crate::plan::{Count, NodeState, ResolvedPackage, RolloutState, SlotPhase, Waiting};

/// A rollout as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Why this coordinator decides nothing. While it is there, nothing below goes on.
    pub frozen: Option<String>,
    pub spec: RolloutSpec,
    pub created_at: Timestamp,
    pub created_by: String,
    /// Why it was created.
    pub reason: String,
    /// Whether it shall go on, and who said so.
    pub wish: WishView,
    /// When what follows was planned.
    pub as_of: Timestamp,
    /// `None`: not planned yet.
    pub state: Option<RolloutState>,
    /// The wave that slots are granted for; 0 is the canary.
    pub wave: u32,
    pub count: Count,
    /// What holds the fleet or the whole rollout.
    pub waiting: Vec<ReasonView>,
    pub forecast: Option<ForecastView>,
    /// What is worth knowing and holds nothing up by itself, a sentence each.
    pub notes: Vec<String>,
    /// The versions that its target means; empty in lists.
    pub resolved: Vec<ResolvedPackage>,
    /// Who takes part, by wave and name; empty in lists.
    pub nodes: Vec<RolloutNodeView>,
}

/// What operators want of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum WishView {
    Run,
    Pause { by: String, at: Timestamp },
    Cancel { by: String, at: Timestamp },
}

/// When it would be over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastView {
    /// `None`: no end was found.
    pub finish: Option<Timestamp>,
    /// No order of nodes can be faster.
    pub not_before: Timestamp,
    /// Nodes that are held by something of their own, and are not part of it.
    pub left_out: u32,
    /// What the end depends on.
    pub because: String,
}

/// A "no", ready to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonView {
    /// Whose it is; `None`: it holds the rollout or the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// For programs: `is` names it. JSON, so that a reason which a newer coordinator gives can be
    /// shown all the same.
    pub on: Value,
    /// One sentence: the thing and the cause.
    pub what: String,
    pub since: Timestamp,
    /// What would end it.
    pub unblocked_by: String,
    pub expected: Option<Timestamp>,
}

/// One node of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutNodeView {
    pub id: NodeId,
    pub name: NodeName,
    pub state: NodeState,
    pub wave: u32,
    /// How many slots it has had.
    pub tries: u32,
    /// When it came into its state.
    pub since: Timestamp,
    /// Its slot in this rollout.
    pub slot: Option<SlotView>,
    /// All that holds the node itself.
    pub waiting: Vec<ReasonView>,
    /// When its turn comes by the forecast.
    pub expected: Option<Timestamp>,
}

/// A node's leave to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotView {
    pub phase: SlotPhase,
    pub attempt: AttemptId,
    pub since: Timestamp,
    /// How the attempt ended, as the node reports it; `None`: no end is reported.
    pub outcome: Option<Outcome>,
    /// The node's own word about the end.
    pub message: Option<String>,
    /// What the node is at.
    pub step: Option<StepView>,
}

/// A step in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    pub name: String,
    pub since: Timestamp,
    /// How it gives way to a newer order.
    pub safe_point: SafePoint,
    /// How far it is, or what it waits for.
    #[serde(default)]
    pub doing: Option<String>,
}

/// What blocks a node or a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationView {
    /// What is explained and how it stands.
    pub about: String,
    pub as_of: Timestamp,
    pub reasons: Vec<ReasonView>,
    /// When it would be over, or its turn would come.
    pub expected: Option<Timestamp>,
    /// What the end depends on.
    pub because: Option<String>,
}

/// A reason against taking nodes down together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectionView {
    /// `None`: it is the whole fleet's.
    pub node: Option<NodeName>,
    pub on: Value,
    pub what: String,
    pub unblocked_by: String,
}

impl ReasonView {
    /// A reason of this node, or of nobody in particular.
    pub fn new(node: Option<&NodeName>, waiting: &Waiting) -> Self {
        Self {
            node: node.cloned(),
            on: serde_json::to_value(&waiting.on).unwrap_or_default(),
            what: waiting.on.to_string(),
            since: waiting.since,
            unblocked_by: waiting.on.unblocked_by(),
            expected: waiting.expected,
        }
    }
}

impl RolloutView {
    /// Nodes whose turn has come: with a slot, in the order of waves and names.
    pub fn in_slots(&self) -> impl Iterator<Item = &RolloutNodeView> {
        self.nodes.iter().filter(|n| n.slot.is_some())
    }
}
