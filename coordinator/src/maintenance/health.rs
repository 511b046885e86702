//! Health checks that rollouts name: asked again and again while one of them is under way.

mod command;
mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use h8lio_model::plan::{PlanReport, RolloutState};
use h8lio_planner::Rollout;
use h8lio_planner::inventory::Fact;
use tokio::task::JoinSet;

use super::Maintenance;
use crate::clock::Clock;
use crate::config::{HealthHow, HealthProbe};

/// How often a check is asked.
const EVERY: Duration = Duration::from_secs(30);

/// What a check said last.
type Results = BTreeMap<String, Fact<Result<(), String>>>;

/// All checks of the configuration.
#[derive(Debug)]
pub(super) struct Checks {
    probes: BTreeMap<String, HealthProbe>,
    clock: Arc<dyn Clock>,
    results: Arc<Mutex<Results>>,
    /// When each was asked last, monotonic.
    asked: BTreeMap<String, Duration>,
    /// Those that are being asked; they end with this.
    asking: JoinSet<()>,
}

impl Checks {
    /// None is asked yet.
    pub(super) fn new(probes: BTreeMap<String, HealthProbe>, clock: Arc<dyn Clock>) -> Self {
        Self {
            probes,
            clock,
            results: Arc::default(),
            asked: BTreeMap::new(),
            asking: JoinSet::new(),
        }
    }

    /// What the checks said last that rollouts under way name. Those that are due are asked, and
    /// their answers wake the driver. A check cannot be asked twice at once: it is given up before
    /// it is due again.
    pub(super) fn look(
        &mut self,
        rollouts: &[Rollout],
        report: Option<&PlanReport>,
        wake: &Arc<Maintenance>,
        mono: Duration,
    ) -> Results {
        while self.asking.try_join_next().is_some() {}
        let names = named(rollouts, report);
        for name in &names {
            let asked = self.asked.get(name);
            if asked.is_none_or(|at| mono.saturating_sub(*at) >= EVERY) {
                self.asked.insert(name.clone(), mono);
                self.ask(name.clone(), Arc::clone(wake));
            }
        }
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.retain(|name, _| names.contains(name));
        self.asked.retain(|name, _| names.contains(name));
        results.clone()
    }

    fn ask(&mut self, name: String, wake: Arc<Maintenance>) {
        let probe = self.probes.get(&name).cloned();
        let results = Arc::clone(&self.results);
        // It tells how things were when it was asked, at the earliest.
        let asked_at = self.clock.now();
        self.asking.spawn(async move {
            let says = match probe {
                Some(probe) => run(&probe).await,
                None => Err("the coordinator's configuration has no check of this name".to_owned()),
            };
            let fact = Fact::new(says, asked_at);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(name, fact);
            drop(results);
            wake.wake();
        });
    }
}

/// Checks of rollouts that are not over.
fn named(rollouts: &[Rollout], report: Option<&PlanReport>) -> BTreeSet<String> {
    let is_over = |rollout: &&Rollout| {
        let told = report.and_then(|r| r.rollouts.get(rollout.name()));
        told.is_some_and(|r| matches!(r.state, RolloutState::Finished | RolloutState::Cancelled))
    };
    let live = rollouts.iter().filter(|rollout| !is_over(rollout));
    live.flat_map(|r| r.spec.health_checks.iter().cloned())
        .collect()
}

/// Asks once, within the check's time.
async fn run(probe: &HealthProbe) -> Result<(), String> {
    let asked = async {
        match &probe.how {
            HealthHow::Http(uri) => http::get(uri).await,
            HealthHow::Command(words) => command::run(words).await,
        }
    };
    let answer = tokio::time::timeout(probe.timeout, asked).await;
    answer.unwrap_or_else(|_| {
        let limit = probe.timeout.as_secs_f32();
        Err(format!("no answer within {limit} s"))
    })
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
