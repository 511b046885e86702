//! All that a plan is made from. Time is in it, because the planner has no clock.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::plan::{Plan, PlanReport, Tenant};
use h8lio_model::rollout::{Lane, RolloutSpec};
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, Stretch};
use crate::constraints::Constraints;
use crate::inventory::{Fact, Inventory};
use crate::policy::Policy;

/// Everything at once. Equal inputs give equal plans.
#[derive(Debug, Clone, Copy)]
pub struct PlanningInput<'a> {
    pub now: Timestamp,
    /// The plan that is the target now.
    pub parent: &'a Plan,
    /// The report that was made with it, for the age of its reasons.
    pub previous: Option<&'a PlanReport>,
    pub inventory: &'a Inventory,
    pub policy: &'a Policy,
    pub constraints: &'a Constraints,
    pub rollouts: &'a [Rollout],
    /// What the user's health checks said last, by name.
    pub health: &'a BTreeMap<String, Fact<Result<(), String>>>,
    pub oracles: &'a Oracles,
    /// Why this coordinator may not decide anything.
    pub frozen: Option<&'a str>,
}

/// A rollout that was taken in.
#[derive(Debug, Clone)]
pub struct Rollout {
    pub spec: RolloutSpec,
    pub created_at: Timestamp,
    /// The specification's windows.
    pub windows: Vec<Stretch>,
    pub control: Control,
}

impl Rollout {
    pub const fn name(&self) -> &RolloutName {
        &self.spec.name
    }

    /// Its windows, or the fleet's where it has none; none in the CVE lane.
    pub fn calendar<'a>(&'a self, policy: &'a Policy) -> Calendar<'a> {
        let windows = match self.windows.is_empty() {
            true => &policy.windows,
            false => &self.windows,
        };
        let waits = self.spec.lane == Lane::Normal && !windows.is_empty();
        Calendar {
            windows: waits.then_some(windows.as_slice()),
            freezes: &policy.freezes,
        }
    }

    /// Who is planned first: the CVE lane, then the older one.
    pub(crate) fn turn(&self) -> (bool, Timestamp, &RolloutName) {
        let normal = self.spec.lane == Lane::Normal;
        (normal, self.created_at, self.name())
    }
}

/// What people said about a rollout since it was created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    pub wish: Wish,
    /// Attempts whose slot may end although the node is not known to be well: a person has looked,
    /// at this outcome and no other.
    pub acknowledged: BTreeSet<(AttemptId, Outcome)>,
    /// How many more tries a node may have after a failure.
    pub retries: BTreeMap<NodeId, u32>,
}

/// Whether the rollout shall go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wish {
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

/// Who can be asked whether tenants may stop, and what was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oracles {
    /// Tenants that somebody can be asked about. For any other a node is refused.
    pub can_ask: BTreeSet<Tenant>,
    pub answers: Vec<Answer>,
}

/// May all of these go down together?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub tenant: Tenant,
    /// Everybody it was asked about.
    pub union: BTreeSet<NodeId>,
    /// `Err`: no, with the oracle's words.
    pub says: Result<(), String>,
    pub at: Timestamp,
}

impl Oracles {
    /// Answers about a tenant that are not older than `limit`.
    pub(crate) fn fresh(
        &self,
        tenant: Tenant,
        now: Timestamp,
        limit: SignedDuration,
    ) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(move |answer| {
            let age = now.duration_since(answer.at);
            answer.tenant == tenant && age.abs() <= limit
        })
    }
}
