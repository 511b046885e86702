//! A rollout's record in the store, with types of its own: what the planner calls things may
//! change, what is stored may not.

use std::collections::BTreeMap;

use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::rollout::RolloutSpec;
use h8lio_planner::{Control, Wish};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is stored of a rollout. A field that this release does not know is not read over: what it
/// says might be a no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutRecord {
    pub spec: RolloutSpec,
    pub created_at: Timestamp,
    /// The operator's name.
    pub created_by: String,
    pub reason: String,
    #[serde(default)]
    pub control: ControlRecord,
}

/// What people said since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlRecord {
    #[serde(default)]
    pub wish: WishRecord,
    /// In the order in which they were looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<AcknowledgedRecord>,
    /// How many tries each of these nodes may have had before it is tried once more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retries: BTreeMap<NodeId, u32>,
}

/// Whether it shall go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is", deny_unknown_fields)]
pub enum WishRecord {
    #[default]
    Run,
    Pause {
        by: String,
        at: Timestamp,
    },
    Cancel {
        by: String,
        at: Timestamp,
    },
}

/// A person has looked at how an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcknowledgedRecord {
    pub node: NodeId,
    pub attempt: AttemptId,
    pub outcome: Outcome,
    pub by: String,
    pub at: Timestamp,
}

impl ControlRecord {
    /// As the planner takes it.
    pub fn to_planner(&self) -> Control {
        let looked = self.acknowledged.iter().map(|a| (a.attempt, a.outcome));
        Control {
            wish: self.wish.to_planner(),
            acknowledged: looked.collect(),
            retries: self.retries.clone(),
        }
    }
}

impl WishRecord {
    fn to_planner(&self) -> Wish {
        match self.clone() {
            Self::Run => Wish::Run,
            Self::Pause { by, at } => Wish::Pause { by, at },
            Self::Cancel { by, at } => Wish::Cancel { by, at },
        }
    }
}
