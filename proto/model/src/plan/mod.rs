//! What the planner decided: immutable, with a parent, and named after its own content.
//!
//! A plan becomes the target by compare-and-set on its parent, so that two planners that started
//! from the same plan cannot both win. Whoever executes it makes no choice of his own.

mod progress;
mod report;
mod slot;
mod waiting;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use progress::{NodeProgress, NodeState, ResolvedPackage, RolloutProgress};
pub use report::{Count, Forecast, NodePart, NodeReport, PlanReport, RolloutReport, RolloutState};
pub use slot::{Slot, SlotPhase};
pub use waiting::{Absence, Change, FactName, Tenant, Waiting, WaitingOn};

use crate::ids::{InvalidId, NodeId, RolloutName};
use crate::order::{Generation, OrderContent};
use crate::section::Digest;

/// A plan's name: taken from its parent and its content, so that equal plans have equal names and
/// a changed one cannot keep its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub Uuid);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PlanId {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(s)
            .map(Self)
            .map_err(|_| InvalidId::new("plan id", s, "not a UUID"))
    }
}

/// A plan. Never changed, only followed by the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Unchecked")]
pub struct Plan {
    id: PlanId,
    parent: Option<PlanId>,
    made_at: Timestamp,
    content: PlanContent,
}

/// What a plan says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlanContent {
    /// What is wanted of each node that was ever ordered anything. An entry stays when nothing is
    /// wanted any more: its generation must go on growing.
    pub orders: BTreeMap<NodeId, PlannedOrder>,
    /// Which nodes may be changed now, or are not known to be well since they were.
    pub slots: BTreeMap<NodeId, Slot>,
    /// How far each rollout is that was begun and not forgotten.
    pub rollouts: BTreeMap<RolloutName, RolloutProgress>,
}

/// What is wanted of a node. Whoever sends it adds epoch, incarnation and ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedOrder {
    pub generation: Generation,
    pub content: OrderContent,
}

impl Plan {
    /// The plan before all plans: nothing is wanted of anybody.
    pub fn root(at: Timestamp) -> Self {
        Self::sealed(None, at, PlanContent::default())
    }

    /// The plan that follows `self`.
    pub fn child(&self, at: Timestamp, content: PlanContent) -> Self {
        Self::sealed(Some(self.id), at, content)
    }

    fn sealed(parent: Option<PlanId>, made_at: Timestamp, content: PlanContent) -> Self {
        let id = id_of(parent, made_at, &content);
        Self {
            id,
            parent,
            made_at,
            content,
        }
    }

    pub const fn id(&self) -> PlanId {
        self.id
    }

    /// The plan that it follows; `None` for the root.
    pub const fn parent(&self) -> Option<PlanId> {
        self.parent
    }

    pub const fn made_at(&self) -> Timestamp {
        self.made_at
    }

    pub const fn content(&self) -> &PlanContent {
        &self.content
    }
}

fn id_of(parent: Option<PlanId>, made_at: Timestamp, content: &PlanContent) -> PlanId {
    let body = serde_json::to_vec(&(parent, made_at, content))
        .expect("texts, numbers, lists and maps with text keys have a JSON form");
    PlanId(crate::order::uuid_of(&Digest::of(&body)))
}

/// A plan as it is read, before its name was compared with its content.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Unchecked {
    id: PlanId,
    parent: Option<PlanId>,
    made_at: Timestamp,
    content: PlanContent,
}

/// A plan whose content is not what its name was made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plan {named} was changed or damaged: its content belongs to plan {found}")]
pub struct Altered {
    pub named: PlanId,
    pub found: PlanId,
}

impl TryFrom<Unchecked> for Plan {
    type Error = Altered;

    fn try_from(read: Unchecked) -> Result<Self, Altered> {
        let plan = Self::sealed(read.parent, read.made_at, read.content);
        match plan.id == read.id {
            true => Ok(plan),
            false => Err(Altered {
                named: read.id,
                found: plan.id,
            }),
        }
    }
}
