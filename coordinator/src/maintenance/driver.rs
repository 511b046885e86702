//! The driver: from what is known to what each node is sent, round after round.
//!
//! A round hears what ledgers say, plans, lints the plan, writes it, and sends each node what it
//! lacks of it. Each step rests on what the one before made durable, so a coordinator that dies
//! anywhere goes on from there: what was not written was not said to anybody.

mod ends;
mod freeze;
mod hear;
mod send;
mod think;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use h8lio_executor::{Known, Record, Term, ended};
use h8lio_model::event::Severity;
use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::plan::{Plan, PlanReport};
use h8lio_planner::constraints::Constraints;
use h8lio_planner::inventory::Inventory;
use h8lio_planner::policy::Policy;
use h8lio_planner::{Oracles, Rollout};

use super::facts::facts;
use super::health::Checks;
use super::plans::Plans;
use super::records::Records;
use super::sections::Cache;
use super::{Maintenance, Snapshot};
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::config::Rules;
use crate::feed::Feed;
use crate::recovery::Recovery;
use crate::registry::{Node, Registry};
use crate::session::table::SessionTable;
use crate::store::Store;
use crate::store::health::StoreHealth;
use freeze::Frozen;
use send::Sent;
use think::{Thought, think};

/// Between two rounds, at least and at most.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(5);

/// A thought is not written when what it rests on is older than this: it took too long, or this
/// process stood still meanwhile.
const OVERTAKEN: Duration = Duration::from_secs(10);

/// What the driver works with.
#[derive(Debug)]
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub health: Arc<StoreHealth>,
    pub registry: Arc<Registry>,
    pub table: Arc<SessionTable>,
    pub audit: Arc<AuditLog>,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub maintenance: Arc<Maintenance>,
    pub recovery: Arc<Recovery>,
    pub rules: Rules,
    /// Part of every order.
    pub term: Term,
}

/// The driver. There is one, and only it writes plans and the records of orders.
#[derive(Debug)]
pub struct Driver {
    parts: Parts,
    policy: Arc<Policy>,
    plans: Plans,
    records: Records,
    known: BTreeMap<NodeId, Known>,
    cache: Cache,
    checks: Checks,
    report: Option<PlanReport>,
    sent: BTreeMap<NodeId, Sent>,
    /// Contradicted ends that were told already.
    contradicted: BTreeSet<(NodeId, AttemptId, Outcome)>,
    /// The freeze that was told last.
    frozen: Option<Frozen>,
    /// The flaws that were told last.
    flaws: Vec<String>,
    /// What went wrong with the store in this round.
    trouble: Option<String>,
}

impl Driver {
    /// Begins with the plan that is the target and all records of orders.
    pub fn new(parts: Parts, plans: Plans, records: BTreeMap<NodeId, Record>) -> Self {
        let known = records.into_iter().map(|(id, record)| {
            let known = Known {
                record,
                report: None,
            };
            (id, known)
        });
        Self {
            policy: Arc::new(parts.rules.policy.clone()),
            records: Records::new(Arc::clone(&parts.store)),
            checks: Checks::new(parts.rules.health.clone(), Arc::clone(&parts.clock)),
            known: known.collect(),
            parts,
            plans,
            cache: Cache::default(),
            report: None,
            sent: BTreeMap::new(),
            contradicted: BTreeSet::new(),
            frozen: None,
            flaws: Vec::new(),
            trouble: None,
        }
    }

    /// Drives until dropped. Nothing is decided before `warm_up` is over.
    pub async fn run(mut self, warm_up: Duration) {
        tokio::time::sleep(warm_up).await;
        loop {
            let seen = self.fingerprint();
            let rollouts = self.parts.maintenance.rollouts.all();
            self.round(rollouts).await;
            tokio::time::sleep(LEAST).await;
            let latest = tokio::time::sleep(MOST.saturating_sub(LEAST));
            // Cancel-safe: all three only wait.
            tokio::select! {
                () = self.parts.maintenance.woken() => {}
                () = self.changed(seen) => {}
                () = latest => {}
            }
        }
    }

    /// Ends when a verdict or a record of a node is another than when `seen` was taken.
    async fn changed(&self, seen: u64) {
        while self.fingerprint() == seen {
            tokio::time::sleep(LEAST).await;
        }
    }

    fn fingerprint(&self) -> u64 {
        let mut all = self.parts.registry.all();
        all.sort_unstable_by_key(|node| node.id);
        let mut hasher = DefaultHasher::new();
        for node in all {
            let availability = node.verdict().availability.to_string();
            (node.id, availability, node.record().revision.0).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// One round.
    pub async fn round(&mut self, rollouts: Vec<Rollout>) {
        self.trouble = None;
        let mut nodes = self.parts.registry.all();
        nodes.sort_unstable_by_key(|node| node.id);
        self.settle().await;
        self.read(&nodes).await;
        self.hear(&nodes).await;
        let frozen = self.freeze(&nodes);
        self.say_frozen(frozen.as_ref());
        let begun = self.parts.clock.mono();
        let matter = self.matter(&nodes, rollouts, frozen.as_ref());
        let constraints = self.parts.rules.constraints.clone();
        let thought = tokio::task::spawn_blocking(move || think(matter, &constraints)).await;
        match thought {
            Ok(thought) => match self.overtaken(begun) {
                None => self.act(thought, frozen.is_some()).await,
                Some(why) => self.drop_thought(thought, why),
            },
            // The snapshot of the last round stands.
            Err(error) => self.say_flaws(vec![format!("the planner gave up: {error}")]),
        }
    }

    /// A plan whose writing was not answered is the target, or is not.
    async fn settle(&mut self) {
        if !self.plans.is_unsettled() {
            return;
        }
        let before = self.plans.current().clone();
        match self.plans.settle().await {
            Ok(()) => {
                let now = self.plans.current();
                if now.parent() == Some(before.id()) {
                    // It was written after all.
                    self.say_ends(&ended(&before, now));
                }
            }
            Err(error) => self.note_trouble(&error),
        }
    }

    /// Reads sections that are new.
    async fn read(&mut self, nodes: &[Arc<Node>]) {
        let read = self.cache.refresh(self.parts.store.as_ref(), nodes);
        if let Err(error) = read.await {
            self.note_trouble(&error);
        }
    }

    /// Everything that a plan is made from.
    fn matter(
        &mut self,
        nodes: &[Arc<Node>],
        rollouts: Vec<Rollout>,
        frozen: Option<&Frozen>,
    ) -> Snapshot {
        let mono = self.parts.clock.mono();
        let health = self.checks.look(
            &rollouts,
            self.report.as_ref(),
            &self.parts.maintenance,
            mono,
        );
        let plan = self.plans.current().clone();
        Snapshot {
            inventory: self.inventory(nodes, &plan),
            // After the facts: none of them is from the future.
            now: self.parts.clock.now(),
            plan,
            report: self.report.clone(),
            policy: Arc::clone(&self.policy),
            constraints: Constraints::default(),
            rollouts,
            health,
            // Who is asked comes with Ceph and Kubernetes; until then tenants are a no.
            oracles: Oracles::default(),
            frozen: frozen.map(ToString::to_string),
        }
    }

    fn inventory(&self, nodes: &[Arc<Node>], plan: &Plan) -> Inventory {
        let estimate = self.parts.rules.estimate;
        let slots = &plan.content().slots;
        let nodes = nodes.iter().map(|node| {
            let boot = self.parts.table.get(node.id).map(|open| open.claim.boot_id);
            let orders = self.told(node, slots.get(&node.id));
            let sections = self.cache.sections(node);
            (node.id, facts(node, &sections, boot, orders, estimate))
        });
        Inventory {
            nodes: nodes.collect(),
        }
    }

    /// Why a thought of what was known at `begun` comes too late: windows and nodes may not be as they
    /// were.
    fn overtaken(&self, begun: Duration) -> Option<String> {
        let age = self.parts.clock.mono().saturating_sub(begun);
        (age > OVERTAKEN).then(|| {
            format!(
                "planning took {} s, and what is older than {} s is not acted on; it is planned anew",
                age.as_secs(),
                OVERTAKEN.as_secs()
            )
        })
    }

    /// Neither written nor sent; who reads is told why nothing goes on.
    fn drop_thought(&self, thought: Thought, why: String) {
        tracing::warn!("{why}");
        let mut snapshot = thought.snapshot;
        snapshot.frozen = Some(why);
        self.parts.maintenance.publish(snapshot);
    }

    /// Writes what was thought, if it is a new plan, and sends what nodes lack of the target.
    async fn act(&mut self, thought: Thought, is_frozen: bool) {
        let Thought {
            mut snapshot,
            child,
            report,
            flaws,
        } = thought;
        let is_flawed = !flaws.is_empty();
        if is_flawed {
            snapshot.frozen = Some(format!("the plan would be wrong: {}", flaws.join("; ")));
        }
        self.say_flaws(flaws);
        let is_news = child.id() != snapshot.plan.id();
        let holds = !is_flawed && (!is_news || self.advance(&snapshot, child).await);
        if holds {
            self.report = Some(report);
        } else if let Some(trouble) = &self.trouble {
            snapshot.frozen = Some(trouble.clone());
        }
        snapshot.plan = self.plans.current().clone();
        snapshot.report.clone_from(&self.report);
        if !is_frozen && !self.plans.is_unsettled() {
            self.send(&snapshot.plan).await;
        }
        self.parts.maintenance.publish(snapshot);
    }

    /// Makes `child` the target with the record of what ended; says whether it is.
    async fn advance(&mut self, matter: &Snapshot, child: Plan) -> bool {
        let ends = ended(&matter.plan, &child);
        let draft = ends::draft(&ends, &child, &matter.inventory, matter.now);
        let written = self.plans.advance(child, &self.parts.audit, draft);
        match written.await {
            Ok(()) => {
                self.say_ends(&ends);
                true
            }
            Err(error) => {
                self.note_trouble(&error);
                false
            }
        }
    }

    fn note_trouble(&mut self, error: &(dyn std::error::Error + 'static)) {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            words = format!("{words}: {source}");
            cause = source.source();
        }
        tracing::warn!(error = words, "maintenance stands still and tries again");
        self.trouble = Some(words);
    }

    fn say_flaws(&mut self, flaws: Vec<String>) {
        if !flaws.is_empty() && flaws != self.flaws {
            let all = flaws.join("; ");
            let message = format!(
                "a plan was not taken, because it would be wrong ({all}); nodes go on with what \
                 they were ordered. This is a defect of h8lio: report it with this message"
            );
            self.parts
                .feed
                .fleet(Severity::Alert, "PlanFlawed", message);
        }
        self.flaws = flaws;
    }
}

#[cfg(test)]
mod tests;
