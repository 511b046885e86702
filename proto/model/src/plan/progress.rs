use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::NodeId;
use crate::order::{Architecture, PackageName, PackageVersion};

/// How far a rollout is. Who takes part and to which versions was settled when it was first
/// planned; for a server that could not be asked then, when it first could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutProgress {
    /// When it was first planned.
    pub begun_at: Timestamp,
    /// The versions that "security" or "all" meant then. Sorted.
    pub resolved: Vec<ResolvedPackage>,
    /// Who takes part and has not yet been asked what is offered to it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unread: BTreeSet<NodeId>,
    /// The wave that slots are granted for. 0 is the canary.
    pub wave: u32,
    /// Everybody who takes part.
    pub nodes: BTreeMap<NodeId, NodeProgress>,
}

/// A package and the version that it shall have wherever it is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolvedPackage {
    /// The distribution's release, for example `debian/12`: the same package has another version
    /// in each.
    pub release: String,
    pub name: PackageName,
    pub architecture: Architecture,
    pub to: PackageVersion,
}

/// One node's part in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeProgress {
    pub state: NodeState,
    /// The wave that it was changed in, or is to be.
    pub wave: u32,
    /// How many slots it has had; part of what its next attempt id is made of.
    pub tries: u32,
    /// When it came into this state.
    pub since: Timestamp,
}

/// Where one node of a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// Its turn has not come.
    Waiting,
    /// It has a slot.
    InSlot,
    /// Changed as wished, and well.
    Done,
    /// Nothing of the target concerned it when its turn came.
    NothingToDo,
    /// Its attempt failed.
    Failed,
    /// Its attempt was taken back.
    RolledBack,
    /// It left the fleet before its turn came.
    Gone,
}

impl NodeState {
    /// Whether the rollout asks nothing more of the node.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Waiting | Self::InSlot)
    }

    /// Whether it counts towards the failure threshold.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::RolledBack)
    }
}
