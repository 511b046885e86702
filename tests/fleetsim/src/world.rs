//! The run: events in the order of a virtual clock, with everything between them.

mod away;
pub(crate) mod hand;
mod over;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use anyhow::Context as _;
use h8lio_agent::clock::Moment;
use h8lio_agent::ledger::Ledger;
use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, NodeOrder, OrderReport, Outcome};
use h8lio_model::section::Digest;
use h8lio_planner::Wish;
use jiff::{SignedDuration, Timestamp};

use crate::chance::Chance;
use crate::coordinator::{Coordinator, Round};
use crate::node::{NEW_KERNEL, Node, Says};
use crate::promises::{Broken, Promises};
use crate::queue::{Event, Queued};
use crate::sabotage::Sabotage;
use crate::shape::Shape;
use crate::trace::Trace;

/// When a run begins, on the wall.
const START: i64 = 1_770_000_000;

/// Faults come until then at the latest.
const TROUBLE: Duration = Duration::from_secs(60 * 60);

/// So long faults go on after everything has come to its end: what is late comes then.
const TAIL: Duration = Duration::from_secs(5 * 60);

/// By then everything must have come to its end.
const LIMIT: Duration = Duration::from_secs(14 * 60 * 60);

/// So often at most a unit of one attempt is not started.
const UNSTARTED: u32 = 5;

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub seed: u64,
    /// Over the whole trace.
    pub hash: Digest,
    /// Events in which something was decided or written: looks, deliveries, rounds, moves.
    pub steps: u64,
    /// Of these, those in which an attempt was gone on with, an order taken or a plan written.
    pub workflow: u64,
    pub attempts: usize,
    pub broken: Option<Broken>,
    pub trace: Vec<String>,
}

/// A fleet under a virtual clock.
pub(crate) struct World {
    now: Duration,
    queue: BinaryHeap<Reverse<Queued>>,
    turns: u64,
    /// When faults end.
    calm_from: Duration,
    chance: Chance,
    shape: Shape,
    nodes: BTreeMap<NodeId, Node>,
    coordinator: Coordinator,
    /// Its store stalls, or it is paused, until then.
    busy_until: Duration,
    paused: BTreeMap<NodeId, Duration>,
    said: BTreeMap<NodeId, (OrderReport, Duration)>,
    /// How often a unit was not started, by attempt.
    unstarted: BTreeMap<AttemptId, u32>,
    promises: Promises,
    trace: Trace,
    steps: u64,
    workflow: u64,
    _dir: tempfile::TempDir,
}

/// Plays a seed.
///
/// # Errors
/// When the simulated servers' folder cannot be made; a broken promise is a result, and no error.
pub fn run(
    seed: u64,
    shape: Option<Shape>,
    sabotage: Option<Sabotage>,
    keep: bool,
) -> anyhow::Result<Run> {
    let mut chance = Chance::new(seed);
    let drawn = Shape::drawn(&mut chance);
    let shape = shape.unwrap_or(drawn);
    let mut world = World::new(shape, chance, sabotage, keep)?;
    let broken = world.play().err();
    if let Some(broken) = &broken {
        world.trace.note(format!("BROKEN: {broken}"));
    }
    Ok(Run {
        seed,
        hash: world.trace.hash(),
        steps: world.steps,
        workflow: world.workflow,
        attempts: world.coordinator.stored.audit.len(),
        broken,
        trace: world.trace.lines().to_vec(),
    })
}

impl World {
    pub(crate) fn new(
        shape: Shape,
        mut chance: Chance,
        sabotage: Option<Sabotage>,
        keep: bool,
    ) -> anyhow::Result<Self> {
        let dir = folder()?;
        let start = moment(Duration::ZERO);
        let mut nodes = BTreeMap::new();
        for n in 0..shape.nodes {
            let (id, name) = (shape.id(n), format!("s{n}"));
            let node = Node::new(
                dir.path(),
                id,
                &name,
                shape.kernel,
                &mut chance,
                start,
                sabotage,
            )?;
            if shape.kernel && chance.permille(shape.faults.kernels) {
                let fails = ["panics", "hangs"][usize::from(n % 2 == 1)];
                node.suffers(&format!("kernel.{fails} {NEW_KERNEL}"));
            }
            nodes.insert(id, node);
        }
        let mut world = Self {
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            turns: 0,
            calm_from: TROUBLE,
            coordinator: Coordinator::new(shape.clone(), &mut chance, start, sabotage),
            promises: Promises::new(&shape),
            busy_until: Duration::ZERO,
            paused: BTreeMap::new(),
            said: BTreeMap::new(),
            unstarted: BTreeMap::new(),
            trace: Trace::new(keep),
            steps: 0,
            workflow: 0,
            chance,
            shape,
            nodes,
            _dir: dir,
        };
        world.trace.note(format!("{:?}", world.shape));
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.later(0, 2_000, Event::CoordinatorStarts);
        self.later(1_000, 5_000, Event::Round);
        self.later(60_000, 60_000, Event::Trouble);
        self.later(300_000, 900_000, Event::Person);
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            self.later(0, 2_000, Event::AgentStarts(id));
            self.later(1_000, 5_000, Event::Look(id));
        }
    }

    fn later(&mut self, least: u64, most: u64, event: Event) {
        let after = self.chance.millis(least, most);
        self.at(self.now + after, event);
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.turns += 1;
        let turn = self.turns;
        self.queue.push(Reverse(Queued { at, turn, event }));
    }

    fn in_trouble(&self) -> bool {
        self.now < self.calm_from
    }

    /// A fault of so many of a thousand, while there is trouble.
    fn strikes(&mut self, permille: u32) -> bool {
        permille > 0 && self.in_trouble() && self.chance.permille(permille)
    }

    fn play(&mut self) -> Result<(), Broken> {
        while !self.step()? {}
        Ok(())
    }

    /// One event. `true`: everything has come to its end.
    pub(crate) fn step(&mut self) -> Result<bool, Broken> {
        let Some(Reverse(queued)) = self.queue.pop() else {
            return Ok(true);
        };
        self.now = queued.at;
        if self.now > LIMIT {
            return Err(self.stuck());
        }
        if !self.in_trouble() {
            self.coordinator.refuses = 0;
        }
        self.steps += 1;
        let line = format!("{:>9} {}", self.now.as_millis(), queued.event.words());
        self.trace.note(line);
        self.happen(queued.event)?;
        self.promises.budget(&self.coordinator.stored)?;
        let over = self.is_over();
        if over {
            self.calm_from = self.calm_from.min(self.now + TAIL);
        }
        if !over || self.in_trouble() {
            return Ok(false);
        }
        let stored = &self.coordinator.stored;
        self.promises.nothing_left(&stored.plan, &self.nodes)?;
        self.promises.ends(&stored.audit)?;
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Look(id) => self.look(id),
            Event::Boots(id) => {
                let at = moment(self.now);
                if let Some(node) = self.nodes.get_mut(&id).filter(|n| !n.is_on) {
                    node.boot_up(&mut self.chance, at);
                    self.later(1_000, 20_000, Event::AgentStarts(id));
                }
                Ok(())
            }
            Event::AgentStarts(id) => self.agent_starts(id),
            Event::ToNode(order) => self.reaches_node(&order),
            Event::ToCoordinator(says) => self.reaches_coordinator(*says),
            Event::Round => self.round(),
            Event::CoordinatorStarts => {
                if !self.coordinator.is_alive() {
                    self.coordinator.start(&mut self.chance, moment(self.now));
                    self.coordinator_may_be_dead();
                }
                Ok(())
            }
            Event::Person => self.person(),
            Event::Trouble => self.trouble(),
        }
    }

    fn agent_starts(&mut self, id: NodeId) -> Result<(), Broken> {
        let may_die = self.strikes(self.shape.faults.agent_dies);
        let Some(node) = self.nodes.get_mut(&id) else {
            return Ok(());
        };
        if !node.is_on || node.is_alive() {
            return Ok(());
        }
        node.start(&mut self.chance);
        if may_die || !node.is_alive() {
            node.kill();
            self.later(2_000, 30_000, Event::AgentStarts(id));
            return Ok(());
        }
        self.watch(id, None)
    }

    /// The promises about one node.
    fn watch(&mut self, id: NodeId, subject: Option<AttemptId>) -> Result<(), Broken> {
        let node = &self.nodes[&id];
        let acts = node.acts.take();
        if !acts.is_empty() {
            self.trace.note(format!("          {id} did {acts:?}"));
        }
        let at = moment(self.now);
        let stored = &self.coordinator.stored;
        self.promises
            .node(&self.nodes, id, subject, acts, stored, at)
    }

    fn look(&mut self, id: NodeId) -> Result<(), Broken> {
        let paused = self.paused.get(&id).is_some_and(|until| *until > self.now);
        let dies = self.strikes(self.shape.faults.agent_dies);
        let fate = self.strikes(self.shape.faults.packages);
        let unstarted = self.strikes(self.shape.faults.unstarted);
        let silent = self.strikes(self.shape.faults.silence);
        let stops = self.strikes(self.shape.faults.stops);
        let Some(node) = self.nodes.get_mut(&id) else {
            return Ok(());
        };
        let subject = node.subject();
        if paused || !node.is_alive() {
            self.later(5_000, 10_000, Event::Look(id));
            return Ok(());
        }
        if fate && subject.is_some() {
            let word = ["nothing", "half", "damage", "stuck"][self.chance.below(4) as usize];
            node.suffers(&format!("transaction.next {word}"));
        }
        // One that is never started is taken back in the end.
        let times = subject.map(|attempt| self.unstarted.entry(attempt).or_default());
        if let Some(times) = times.filter(|n| unstarted && **n < UNSTARTED) {
            *times += 1;
            node.suffers("transaction.next unstarted");
        }
        if dies {
            node.fuse.arm(&mut self.chance);
        }
        let at = moment(self.now);
        let walked = if stops {
            node.tools.stop(&mut self.chance);
            node.look_and_stop(at)
        } else {
            if silent {
                node.tools.fall_silent(&mut self.chance);
            }
            node.look(at)
        };
        node.tools.calm();
        node.fuse.disarm();
        if subject.is_some() {
            self.workflow += 1;
        }
        self.trace.note(format!("          {walked:?}"));
        self.watch(id, subject)?;
        // What was asked of the server happens, whether or not its agent lives to see it.
        self.moves(id);
        self.after_agent(id);
        let (least, most) = match subject {
            Some(_) => (3_000, 8_000),
            None => (10_000, 30_000),
        };
        self.later(least, most, Event::Look(id));
        self.report(id, dies);
        Ok(())
    }

    /// An agent that died comes back.
    fn after_agent(&mut self, id: NodeId) {
        let node = &self.nodes[&id];
        if node.is_on && !node.is_alive() {
            self.trace.note(format!("          {id} died"));
            self.later(1_000, 60_000, Event::AgentStarts(id));
        }
    }

    /// Says how it stands when that is news, and every half minute besides. It may die before.
    fn report(&mut self, id: NodeId, dies: bool) {
        let Some(report) = self.nodes[&id].ledger().map(Ledger::report) else {
            return;
        };
        let last = self.said.get(&id);
        let known = last
            .is_some_and(|(said, at)| *said == report && self.now - *at < Duration::from_secs(30));
        if known {
            return;
        }
        if dies && self.chance.permille(300) {
            let node = self.nodes.get_mut(&id).expect("a node");
            node.kill();
            self.after_agent(id);
            return;
        }
        let Some(says) = self.nodes[&id].says() else {
            return;
        };
        self.said.insert(id, (report, self.now));
        self.deliver(|| Event::ToCoordinator(Box::new(says.clone())));
    }

    /// Over the network: late, twice, or never.
    fn deliver(&mut self, message: impl Fn() -> Event) {
        let copies = match self.strikes(self.shape.faults.doubled) {
            true => 2,
            false => 1,
        };
        for _ in 0..copies {
            if self.strikes(self.shape.faults.lost) {
                continue;
            }
            let most = match self.in_trouble() {
                true => self.shape.faults.delay,
                false => 0,
            };
            self.later(1, 50 + most, message());
        }
    }

    fn reaches_node(&mut self, order: &NodeOrder) -> Result<(), Broken> {
        let id = order.node;
        let dies = self.strikes(self.shape.faults.agent_dies);
        let Some(node) = self.nodes.get_mut(&id) else {
            return Ok(());
        };
        if dies {
            node.fuse.arm(&mut self.chance);
        }
        let subject = node.subject();
        let accepted = node.accept(order, moment(self.now));
        node.fuse.disarm();
        if let Some(accepted) = accepted {
            self.workflow += 1;
            self.trace.note(format!("          {accepted:?}"));
            self.after_agent(id);
        }
        self.watch(id, subject)
    }

    fn reaches_coordinator(&mut self, says: Says) -> Result<(), Broken> {
        if self.busy_until > self.now {
            let at = self.busy_until + Duration::from_millis(1);
            self.at(at, Event::ToCoordinator(Box::new(says)));
            return Ok(());
        }
        if self.strikes(self.shape.faults.coordinator_dies) {
            self.coordinator.fuse.arm(&mut self.chance);
        }
        let at = moment(self.now);
        let round = self.coordinator.hear(&mut self.chance, says, at);
        self.coordinator.fuse.disarm();
        self.coordinator_may_be_dead();
        self.settle(round)
    }

    fn coordinator_may_be_dead(&mut self) {
        if !self.coordinator.is_alive() {
            self.trace.note("          the coordinator died".to_owned());
            self.later(1_000, 90_000, Event::CoordinatorStarts);
        }
    }

    fn round(&mut self) -> Result<(), Broken> {
        self.later(5_000, 15_000, Event::Round);
        if self.busy_until > self.now || !self.coordinator.is_alive() {
            return Ok(());
        }
        if self.strikes(self.shape.faults.store_stalls) {
            self.busy_until = self.now + self.chance.millis(5_000, 60_000);
        }
        if self.strikes(self.shape.faults.coordinator_dies) {
            self.coordinator.fuse.arm(&mut self.chance);
        }
        let round = self.coordinator.round(&mut self.chance, moment(self.now));
        self.coordinator.fuse.disarm();
        self.coordinator_may_be_dead();
        self.settle(round)
    }

    /// What a round of the coordinator leaves behind.
    fn settle(&mut self, round: Round) -> Result<(), Broken> {
        if let Some(what) = round.flaws.into_iter().next() {
            return Err(Broken::Flaw { what });
        }
        if let Some((parent, child)) = &round.advanced {
            self.workflow += 1;
            let slots = child.content().slots.iter();
            let slots: Vec<String> = slots.map(|(id, s)| format!("{id} {:?}", s.phase)).collect();
            self.trace
                .note(format!("          plan {}: {slots:?}", child.id()));
            self.promises
                .advanced(parent, child, &self.nodes, self.now)?;
        }
        for order in round.sent {
            self.promises.sent(&order)?;
            self.deliver(|| Event::ToNode(Box::new(order.clone())));
        }
        Ok(())
    }

    /// Somebody looks at what waits for a person, and says so. In calm times always, and ends what
    /// a halt keeps from its end.
    fn person(&mut self) -> Result<(), Broken> {
        self.later(300_000, 900_000, Event::Person);
        if self.in_trouble() && self.chance.permille(500) {
            return Ok(());
        }
        for (id, attempt, outcome) in self.coordinator.waits_for_a_person() {
            let node = &self.nodes[&id];
            let runs = node.ledger().is_none_or(|l| {
                let running = l.book().running();
                running.is_some_and(|(ticket, _)| ticket.attempt == attempt)
            });
            // A person who looks at the server waits until nothing works on it.
            if outcome == Outcome::Unknown && runs {
                continue;
            }
            self.trace
                .note(format!("          confirms {id} {attempt} {outcome}"));
            node.mend();
            self.promises.confirmed.insert((attempt, outcome));
            let control = &mut self.coordinator.stored.rollout.control;
            control.acknowledged.insert((attempt, outcome));
        }
        let stands_still = !self.in_trouble() && self.now > TROUBLE * 4;
        if stands_still || self.strikes(self.shape.faults.cancels * 100) {
            let at = moment(self.now).wall;
            let by = "a person".to_owned();
            let control = &mut self.coordinator.stored.rollout.control;
            if control.wish == Wish::Run {
                self.trace.note("          cancels the rollout".to_owned());
                control.wish = Wish::Cancel { by, at };
            }
        }
        Ok(())
    }

    /// Once a minute.
    fn trouble(&mut self) -> Result<(), Broken> {
        if !self.in_trouble() {
            return self.calm();
        }
        self.later(60_000, 60_000, Event::Trouble);
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in ids {
            if self.strikes(self.shape.faults.power) {
                self.trace.note(format!("          {id} loses power"));
                self.nodes[&id].suffers("reboot 1s");
                self.moves(id);
            }
            if self.strikes(self.shape.faults.pauses) {
                let until = self.now + self.chance.millis(10_000, 120_000);
                self.paused.insert(id, until);
            }
            if self.strikes(self.shape.faults.links) {
                let word = ["down", "up"][self.chance.below(2) as usize];
                self.nodes[&id].suffers(&format!("link.{word} eno1"));
            }
            if self.strikes(self.shape.faults.ledgers) {
                self.trace.note(format!("          {id} loses its ledger"));
                self.nodes.get_mut(&id).expect("a node").lose_ledger();
                self.promises.lost_ledger(id);
                self.after_agent(id);
            }
            if self.strikes(self.shape.faults.outages) {
                self.outage(id);
            }
        }
        if self.strikes(self.shape.faults.pauses) {
            self.busy_until = self.now + self.chance.millis(10_000, 120_000);
        }
        Ok(())
    }

    /// What was broken from outside is mended.
    fn calm(&mut self) -> Result<(), Broken> {
        for node in self.nodes.values() {
            node.suffers("link.up eno1");
            node.mend();
        }
        Ok(())
    }
}

/// In memory where there is such a place: a run writes a lot and none of it must last.
fn folder() -> anyhow::Result<tempfile::TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    let dir = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    dir.context("cannot make a folder for the simulated servers")
}

fn moment(steady: Duration) -> Moment {
    let start = Timestamp::from_second(START).expect("in range");
    let since = SignedDuration::try_from(steady).expect("in range");
    Moment {
        steady,
        wall: start.checked_add(since).expect("in range"),
    }
}
