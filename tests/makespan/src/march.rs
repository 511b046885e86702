//! A rollout played: the real planner, plan after plan, against a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use h8lio_model::ids::NodeId;
use h8lio_model::inventory::PackageFacts;
use h8lio_model::order::{AttemptReport, Outcome};
use h8lio_model::plan::{Plan, PlanReport, SlotPhase};
use h8lio_model::rollout::{Lane, RolloutSpec};
use h8lio_planner::check::check;
use h8lio_planner::constraints::{BadConstraint, Constraints};
use h8lio_planner::inventory::{Inventory, NodeFacts};
use h8lio_planner::policy::Policy;
use h8lio_planner::{Control, Oracles, PlanningInput, Rollout, plan};
use jiff::{SignedDuration, Timestamp};

use crate::fleet::{Fleet, start};

/// What a rollout took.
#[derive(Debug, Clone)]
pub struct March {
    pub makespan: SignedDuration,
    /// What each plan took to make, in their order.
    pub plans: Vec<Duration>,
    /// The most nodes that were in a slot at one time.
    pub widest: usize,
}

/// Why a rollout did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum NoEnd {
    #[error("the fleet's constraints cannot be used")]
    Constraints(#[from] BadConstraint),
    #[error("after {after:#} nobody has a slot, and {left} nodes are not done")]
    Stuck { after: SignedDuration, left: usize },
    #[error("a plan is wrong: {0}")]
    Flaw(String),
}

/// Plays a rollout over the whole fleet. `clock` is what planning is timed by.
///
/// # Errors
/// When the planner leaves somebody out, or makes a plan that its linter refuses.
pub fn play(fleet: &Fleet, clock: &dyn Fn() -> Duration) -> Result<March, NoEnd> {
    let mut play = Play::new(fleet)?;
    loop {
        play.plan(clock)?;
        play.begin();
        if !play.finish_next() {
            break;
        }
    }
    play.over()
}

struct Play<'a> {
    fleet: &'a Fleet,
    inventory: Inventory,
    constraints: Constraints,
    rollout: Rollout,
    now: Timestamp,
    plan: Plan,
    report: Option<PlanReport>,
    busy: BinaryHeap<Reverse<(Timestamp, NodeId)>>,
    done: BTreeSet<NodeId>,
    march: March,
}

impl<'a> Play<'a> {
    fn new(fleet: &'a Fleet) -> Result<Self, NoEnd> {
        let now = start();
        Ok(Self {
            fleet,
            inventory: fleet.inventory.clone(),
            constraints: Constraints::resolve(&fleet.declared, &fleet.inventory)?,
            rollout: Rollout {
                spec: spec(),
                created_at: now,
                windows: Vec::new(),
                control: Control::default(),
            },
            now,
            plan: Plan::root(now),
            report: None,
            busy: BinaryHeap::new(),
            done: BTreeSet::new(),
            march: March {
                makespan: SignedDuration::ZERO,
                plans: Vec::new(),
                widest: 0,
            },
        })
    }

    fn plan(&mut self, clock: &dyn Fn() -> Duration) -> Result<(), NoEnd> {
        let input = PlanningInput {
            now: self.now,
            parent: &self.plan,
            previous: self.report.as_ref(),
            inventory: &self.inventory,
            policy: &Policy::default(),
            constraints: &self.constraints,
            rollouts: std::slice::from_ref(&self.rollout),
            health: &BTreeMap::new(),
            oracles: &Oracles::default(),
            frozen: None,
        };
        let begun = clock();
        let (made, report) = plan(&input);
        self.march.plans.push(clock().saturating_sub(begun));
        let flaws = check(
            &self.plan,
            &made,
            &report,
            &self.inventory,
            &self.constraints,
        );
        if let Some(flaw) = flaws.first() {
            return Err(NoEnd::Flaw(flaw.to_string()));
        }
        self.plan = made;
        self.report = Some(report);
        Ok(())
    }

    /// Whoever has a new ticket begins at once.
    fn begin(&mut self) {
        let working: BTreeSet<NodeId> = self.busy.iter().map(|Reverse((_, id))| *id).collect();
        let slots = &self.plan.content().slots;
        for (id, slot) in slots {
            if slot.phase == SlotPhase::Ordered && !working.contains(id) {
                let done = self.now.saturating_add(self.fleet.takes[id]);
                self.busy.push(Reverse((done.unwrap_or(self.now), *id)));
            }
        }
        self.march.widest = self.march.widest.max(self.busy.len());
    }

    /// All that end together end before anything is planned. `false`: nobody works.
    fn finish_next(&mut self) -> bool {
        let Some(Reverse((at, _))) = self.busy.peek().copied() else {
            return false;
        };
        self.now = at;
        while let Some(Reverse((_, id))) = self.busy.peek().filter(|r| r.0.0 == at).copied() {
            self.busy.pop();
            self.done.insert(id);
            let attempt = self.plan.content().slots[&id].attempt;
            if let Some(node) = self.inventory.nodes.get_mut(&id) {
                is_done(node, attempt, at);
            }
        }
        for node in self.inventory.nodes.values_mut() {
            confirm(node, at);
        }
        true
    }

    fn over(mut self) -> Result<March, NoEnd> {
        let after = self.now.duration_since(start());
        let left = self.inventory.nodes.len() - self.done.len();
        if left > 0 {
            return Err(NoEnd::Stuck { after, left });
        }
        self.march.makespan = after;
        Ok(self.march)
    }
}

fn spec() -> RolloutSpec {
    RolloutSpec {
        name: "march".parse().expect("a name"),
        target: "security".parse().expect("a target"),
        selector: "all".parse().expect("a selector"),
        lane: Lane::Normal,
        windows: Vec::new(),
        canary: 0,
        waves: Vec::new(),
        soak: SignedDuration::ZERO,
        failure_threshold: 1,
        deadline: None,
        health_checks: Vec::new(),
    }
}

/// It reports its attempt as done, and what its packages are since.
fn is_done(node: &mut NodeFacts, attempt: h8lio_model::order::AttemptId, at: Timestamp) {
    if let Some(orders) = &mut node.orders {
        orders.value.last_ended = Some(attempt);
        orders.value.attempts.push(AttemptReport {
            attempt,
            outcome: Outcome::Done,
            as_before: false,
            reason: String::new(),
            message: String::new(),
            at,
        });
    }
    if let Some(packages) = &mut node.packages {
        packages.value = PackageFacts {
            upgradable: Some(Vec::new()),
            after: Some(attempt),
            ..packages.value.clone()
        };
    }
}

/// Agents go on confirming what they said.
fn confirm(node: &mut NodeFacts, at: Timestamp) {
    macro_rules! seen {
        ($($field:ident),*) => {$(
            if let Some(fact) = &mut node.$field {
                fact.observed_at = at;
            }
        )*};
    }
    if let Some(packages) = &mut node.packages {
        packages.value.index_updated_at = Some(at);
    }
    seen!(boot, release, packages, tenants, managers, way_back, orders);
}
