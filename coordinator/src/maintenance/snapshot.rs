//! One round of planning, as those see it who only read.

use std::collections::BTreeMap;
use std::sync::Arc;

use h8lio_model::plan::{Plan, PlanReport};
use h8lio_planner::constraints::Constraints;
use h8lio_planner::inventory::{Fact, Inventory};
use h8lio_planner::policy::Policy;
use h8lio_planner::{Oracles, PlanningInput, Rollout};
use jiff::Timestamp;

/// Everything a plan was made from, and what came of it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub now: Timestamp,
    /// The target.
    pub plan: Plan,
    /// `None`: nothing was planned in this life of the coordinator yet.
    pub report: Option<PlanReport>,
    pub inventory: Inventory,
    pub policy: Arc<Policy>,
    pub constraints: Constraints,
    pub rollouts: Vec<Rollout>,
    pub health: BTreeMap<String, Fact<Result<(), String>>>,
    pub oracles: Oracles,
    /// Why this coordinator decides nothing.
    pub frozen: Option<String>,
}

impl Snapshot {
    /// Before the first round: `plan` is the target, and nothing is known yet.
    pub fn first(now: Timestamp, plan: Plan, policy: Arc<Policy>) -> Self {
        Self {
            now,
            plan,
            report: None,
            inventory: Inventory::default(),
            policy,
            constraints: Constraints::default(),
            rollouts: Vec::new(),
            health: BTreeMap::new(),
            oracles: Oracles::default(),
            frozen: Some("it started just now and gives its servers time to come back".to_owned()),
        }
    }

    /// For what-if and dry runs: what the planner would be given now.
    pub fn input(&self) -> PlanningInput<'_> {
        PlanningInput {
            now: self.now,
            parent: &self.plan,
            previous: self.report.as_ref(),
            inventory: &self.inventory,
            policy: &self.policy,
            constraints: &self.constraints,
            rollouts: &self.rollouts,
            health: &self.health,
            oracles: &self.oracles,
            frozen: self.frozen.as_deref(),
        }
    }
}
