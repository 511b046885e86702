//! A coordinator: the real planner and executor, over a store that stalls, refuses and outlives it.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_agent::clock::Moment;
use h8lio_executor::{Ended, Known, Record, Term, activate, behind, ended};
use h8lio_model::ids::{Incarnation, NodeId};
use h8lio_model::inventory::{DomainMode, ManagerFacts};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::{AttemptReport, Epoch, NodeOrder, Outcome};
use h8lio_model::plan::{Plan, PlanReport, SlotPhase};
use h8lio_planner::check::check;
use h8lio_planner::constraints::{Constraints, Rule};
use h8lio_planner::inventory::{Fact, Inventory, NodeFacts};
use h8lio_planner::policy::Policy;
use h8lio_planner::target::Target;
use h8lio_planner::{Control, Oracles, PlanningInput, Rollout, plan};
use jiff::SignedDuration;

use crate::chance::Chance;
use crate::fuse::{Fuse, Verdict};
use crate::node::Says;
use crate::sabotage::Sabotage;
use crate::shape::{ESTIMATE, Shape};

/// Silence after which a node counts as not there.
const SILENCE: SignedDuration = SignedDuration::from_secs(90);

/// What is on the store's disk.
#[derive(Debug, Clone)]
pub struct Stored {
    pub epoch: Epoch,
    pub incarnation: Incarnation,
    pub plan: Plan,
    pub records: BTreeMap<NodeId, Record>,
    /// Ends of attempts, the oldest first.
    pub audit: Vec<Ended>,
    /// What operators asked for.
    pub rollout: Rollout,
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotWritten {
    Died,
    Refused,
}

/// The process.
#[derive(Debug)]
struct Life {
    term: Term,
    target: Target,
    report: Option<PlanReport>,
    known: BTreeMap<NodeId, Known>,
    inventory: Inventory,
    heard: BTreeMap<NodeId, jiff::Timestamp>,
}

/// What a round came to.
#[derive(Debug, Default)]
pub struct Round {
    pub sent: Vec<NodeOrder>,
    /// The plan before and after, where it was written.
    pub advanced: Option<(Plan, Plan)>,
    /// What the linter found, and what a node contradicted.
    pub flaws: Vec<String>,
    pub withheld: usize,
    pub frozen: bool,
}

/// The coordinator.
#[derive(Debug)]
pub struct Coordinator {
    pub stored: Stored,
    shape: Shape,
    pub fuse: Fuse,
    /// Of a thousand writes, so many fail.
    pub refuses: u32,
    life: Option<Life>,
    sabotage: Option<Sabotage>,
}

impl Coordinator {
    pub fn new(shape: Shape, chance: &mut Chance, at: Moment, sabotage: Option<Sabotage>) -> Self {
        let rollout = Rollout {
            spec: shape.spec(),
            created_at: at.wall,
            windows: shape.windows(at.wall),
            control: Control::default(),
        };
        Self {
            stored: Stored {
                epoch: Epoch(0),
                incarnation: Incarnation(chance.uuid()),
                plan: Plan::root(at.wall),
                records: BTreeMap::new(),
                audit: Vec::new(),
                rollout,
            },
            refuses: shape.faults.store_refuses,
            shape,
            fuse: Fuse::default(),
            life: None,
            sabotage,
        }
    }

    pub const fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    pub fn kill(&mut self) {
        self.life = None;
    }

    /// What was said about the plan of this life's last round.
    pub fn report(&self) -> Option<&PlanReport> {
        self.life.as_ref()?.report.as_ref()
    }

    /// A new life, with a new epoch that is written before anything is sent in it.
    pub fn start(&mut self, chance: &mut Chance, at: Moment) {
        self.fuse.renew();
        let epoch = self.stored.epoch.next();
        if self.write(chance, |stored| stored.epoch = epoch).is_err() {
            return;
        }
        let nodes = (0..self.shape.nodes).map(|n| (self.shape.id(n), self.stranger(n, at)));
        let inventory = Inventory {
            nodes: nodes.collect(),
        };
        let known = |record: &Record| Known {
            record: match self.sabotage {
                Some(Sabotage::TicketsForAnyLedger) => Record::default(),
                _ => record.clone(),
            },
            report: None,
        };
        let records = self.stored.records.iter();
        self.life = Some(Life {
            term: Term {
                epoch,
                incarnation: self.stored.incarnation,
            },
            target: Target::new(self.stored.plan.clone()),
            report: None,
            known: records.map(|(id, r)| (*id, known(r))).collect(),
            inventory,
            heard: BTreeMap::new(),
        });
    }

    /// A node that has not been heard in this life.
    fn stranger(&self, n: u32, at: Moment) -> NodeFacts {
        let modes = BTreeMap::from([("patching".to_owned(), DomainMode::Act)]);
        let managers = ManagerFacts {
            modes,
            ..ManagerFacts::default()
        };
        let rack = self.shape.rack(n);
        NodeFacts {
            name: format!("s{n}").parse().expect("a name"),
            admission: Admission::Enrolled,
            restricted: None,
            wanted: Scheduling::Active,
            wanted_by: None,
            availability: Availability::WarmingUp,
            availability_since: at.wall,
            roles: Vec::new(),
            topology: Some(format!("eu/par1/a/r{rack}").parse().expect("a place")),
            labels: BTreeMap::new(),
            estimate: ESTIMATE,
            boot: None,
            release: Some(Fact::new("debian/12".to_owned(), at.wall)),
            packages: None,
            tenants: Some(Fact::new(BTreeSet::new(), at.wall)),
            managers: Some(Fact::new(managers, at.wall)),
            way_back: Some(Fact::new(Ok(()), at.wall)),
            orders: None,
            agent: None,
        }
    }

    fn write(
        &mut self,
        chance: &mut Chance,
        change: impl FnOnce(&mut Stored),
    ) -> Result<(), NotWritten> {
        if self.refuses > 0 && chance.permille(self.refuses) {
            return Err(NotWritten::Refused);
        }
        match self.fuse.ask() {
            Verdict::Happens => {
                change(&mut self.stored);
                return Ok(());
            }
            Verdict::HappensUnheard => change(&mut self.stored),
            Verdict::Torn | Verdict::Not => {}
        }
        self.life = None;
        Err(NotWritten::Died)
    }

    /// Takes what a node says; durable parts are written first.
    pub fn hear(&mut self, chance: &mut Chance, says: Says, at: Moment) -> Round {
        let mut round = Round::default();
        let Some(life) = &self.life else {
            return round;
        };
        let known = life.known.get(&says.node).cloned().unwrap_or_default();
        let heard = known.hear(&says.report);
        if let Some(other) = &heard.contradicted {
            let what = format!("{} contradicts the end of {}", says.node, other.attempt);
            round.flaws.push(what);
        }
        if let Some(record) = heard.record.clone() {
            let node = says.node;
            let written = self.write(chance, |stored| {
                stored.records.insert(node, record);
            });
            if written.is_err() {
                return round;
            }
        }
        let Some(life) = &mut self.life else {
            return round;
        };
        let mut known = known;
        known.take(says.report, &heard);
        if self.sabotage == Some(Sabotage::TicketsForAnyLedger) {
            known.record = Record::default();
        }
        life.known.insert(says.node, known);
        life.heard.insert(says.node, at.wall);
        if let Some(facts) = life.inventory.nodes.get_mut(&says.node) {
            facts.boot = Some(Fact::new(says.boot, at.wall));
            facts.packages = Some(Fact::new(says.packages, at.wall));
            confirm(&mut facts.release, at);
            confirm(&mut facts.tenants, at);
            confirm(&mut facts.managers, at);
            confirm(&mut facts.way_back, at);
        }
        round
    }

    /// Plans, writes the plan, and sends each node what it lacks of it.
    pub fn round(&mut self, chance: &mut Chance, at: Moment) -> Round {
        let mut round = Round::default();
        let Some(life) = &mut self.life else {
            return round;
        };
        refresh(life, at, self.sabotage);
        round.frozen = is_behind(life);
        let parent = life.target.current().clone();
        let (child, report, flaws) =
            decide(&self.shape, &self.stored.rollout, life, self.sabotage, at);
        round.flaws = flaws;
        life.report = Some(report);
        if self.sabotage == Some(Sabotage::SendsBeforeItWrites) {
            self.send(chance, &child, &mut round);
        }
        if child.id() != parent.id() {
            let mut ends = ended(&parent, &child);
            if self.sabotage == Some(Sabotage::NoAudit) {
                ends.clear();
            }
            let plan = child.clone();
            let before = self.stored.plan.id();
            let written = self.write(chance, |stored| {
                stored.plan = plan;
                stored.audit.extend(ends);
            });
            if self.stored.plan.id() != before {
                round.advanced = Some((parent, child.clone()));
            }
            if written.is_err() {
                return round;
            }
            if let Some(life) = &mut self.life
                && let Err(e) = life.target.advance(child.clone())
            {
                round.flaws.push(e.to_string());
                return round;
            }
        }
        self.send(chance, &child, &mut round);
        round
    }

    /// The errands, one by one and past those that fail.
    fn send(&mut self, chance: &mut Chance, plan: &Plan, round: &mut Round) {
        let Some(life) = &self.life else {
            return;
        };
        let Ok(activation) = activate(&life.term, plan, &life.known) else {
            return;
        };
        round.withheld = activation.withheld.len();
        for errand in activation.errands {
            if let Some(record) = errand.record {
                let node = errand.node;
                let durable = record.clone();
                let written = self.write(chance, |stored| {
                    stored.records.insert(node, durable);
                });
                match written {
                    Err(NotWritten::Refused) => continue,
                    Err(NotWritten::Died) => return,
                    Ok(()) => {}
                }
                if let Some(life) = &mut self.life
                    && self.sabotage != Some(Sabotage::TicketsForAnyLedger)
                {
                    life.known.entry(node).or_default().record = record;
                }
            }
            match self.fuse.ask() {
                Verdict::Happens => round.sent.push(errand.order),
                Verdict::HappensUnheard => {
                    round.sent.push(errand.order);
                    self.life = None;
                    return;
                }
                Verdict::Torn | Verdict::Not => {
                    self.life = None;
                    return;
                }
            }
        }
    }

    /// Slots that wait for a person, with what a person would confirm.
    pub fn waits_for_a_person(&self) -> Vec<(NodeId, h8lio_model::order::AttemptId, Outcome)> {
        let slots = self.stored.plan.content().slots.iter();
        slots
            .filter_map(|(id, slot)| {
                let end = self.stored.records.get(id).and_then(|r| r.end.as_ref());
                let end = end.filter(|e| e.attempt == slot.attempt);
                match (slot.phase, end) {
                    (SlotPhase::Kept { outcome, .. }, _) => Some((*id, slot.attempt, outcome)),
                    (_, Some(end)) if end.outcome == Outcome::Unknown => {
                        Some((*id, slot.attempt, Outcome::Unknown))
                    }
                    _ => None,
                }
            })
            .collect()
    }
}

/// It is as it was.
fn confirm<T>(fact: &mut Option<Fact<T>>, at: Moment) {
    if let Some(fact) = fact {
        fact.observed_at = at.wall;
    }
}

/// Facts of the last hour are as good as they were; silence is silence.
fn refresh(life: &mut Life, at: Moment, sabotage: Option<Sabotage>) {
    let slots = &life.target.current().content().slots;
    for (id, facts) in &mut life.inventory.nodes {
        let heard = life.heard.get(id).copied();
        let is_heard = heard.is_some_and(|h| at.wall.duration_since(h) < SILENCE);
        let now = match (is_heard, heard) {
            (true, _) => Availability::Online,
            (false, Some(_)) => Availability::Unreachable,
            (false, None) => Availability::WarmingUp,
        };
        if facts.availability != now {
            facts.availability = now;
            facts.availability_since = at.wall;
        }
        let told = life.known.get(id).and_then(|k| k.told(slots.get(id)));
        facts.orders = told.zip(heard).map(|(told, heard)| Fact::new(told, heard));
        let slot = slots.get(id);
        if let (Some(orders), Some(slot)) = (&mut facts.orders, slot) {
            let report = &mut orders.value;
            let lie = |outcome, as_before| AttemptReport {
                attempt: slot.attempt,
                outcome,
                as_before,
                reason: String::new(),
                message: String::new(),
                at: at.wall,
            };
            let old = at.wall.duration_since(slot.since) > SignedDuration::from_mins(3);
            let unknown = report
                .attempt(slot.attempt)
                .is_some_and(|a| a.outcome == Outcome::Unknown);
            match sabotage {
                Some(Sabotage::SlotsEndByTime) if old && slot.phase == SlotPhase::Ordered => {
                    report.attempts = vec![lie(Outcome::Done, false)];
                }
                Some(Sabotage::UnknownIsAssumed) if unknown => {
                    report.attempts = vec![lie(Outcome::Failed, true)];
                }
                _ => {}
            }
        }
    }
}

fn is_behind(life: &Life) -> bool {
    let plan = life.target.current();
    let mut reports = life
        .known
        .iter()
        .filter_map(|(id, k)| Some((*id, k.report.as_ref()?)));
    reports.any(|(id, report)| behind(&life.term, plan, id, report).is_err())
}

fn decide(
    shape: &Shape,
    rollout: &Rollout,
    life: &Life,
    sabotage: Option<Sabotage>,
    at: Moment,
) -> (Plan, PlanReport, Vec<String>) {
    let mut declared = shape.constraints();
    if sabotage == Some(Sabotage::NoBudget) {
        declared.retain(|d| d.rule != Rule::Quorum);
        declared.iter_mut().for_each(|d| d.rule = Rule::Nodes(1000));
    }
    let constraints = Constraints::resolve(&declared, &life.inventory).expect("constraints");
    let input = PlanningInput {
        now: at.wall,
        parent: life.target.current(),
        previous: life.report.as_ref(),
        inventory: &life.inventory,
        policy: &Policy::default(),
        constraints: &constraints,
        rollouts: std::slice::from_ref(rollout),
        health: &BTreeMap::new(),
        oracles: &Oracles::default(),
        frozen: is_behind(life).then_some("a node knows more than this coordinator"),
    };
    let (child, report) = plan(&input);
    let flaws = check(
        life.target.current(),
        &child,
        &report,
        &life.inventory,
        &constraints,
    );
    let flaws = flaws.iter().map(ToString::to_string).collect();
    (child, report, flaws)
}
