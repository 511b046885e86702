//! What must hold, whatever goes wrong. Looked at after every event, from outside: what servers,
//! ledgers and the store really hold, never what somebody believes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use h8lio_agent::clock::Moment;
use h8lio_agent::ledger::book::Book;
use h8lio_executor::Ended;
use h8lio_model::ids::{BootId, NodeId};
use h8lio_model::order::{AttemptId, LedgerId, NodeOrder, OrderMark, OrderNumber, Outcome};
use h8lio_model::plan::{NodeState, Plan, Slot, SlotPhase};
use h8lio_model::section::Digest;
use h8lio_planner::{BEGIN_WITHIN, DELIVERY};
use jiff::Timestamp;
use uuid::Uuid;

use crate::act::{Act, Had};
use crate::coordinator::Stored;
use crate::node::Node;
use crate::shape::{Budget, ESTIMATE, Shape};

/// A server that is without power for so long is known to be away.
const KNOWN_AWAY: Duration = Duration::from_secs(200);

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("budget: {away} are reserved or changed in {what}, and {most} may be")]
    Budget { what: String, away: u32, most: u32 },
    #[error("budget: {node} was reserved while {away} of {what} were away, and {most} may be")]
    ReservedBeside {
        node: NodeId,
        what: String,
        away: u32,
        most: u32,
    },
    #[error("{node} began attempt {attempt} {what}")]
    BegunTooLate {
        node: NodeId,
        attempt: AttemptId,
        what: String,
    },
    #[error("{node} did {act:?} without a ticket that holds")]
    NoTicket { node: NodeId, act: Act },
    #[error(
        "{node} did {act:?} for attempt {attempt}, which the order that it follows does not want"
    )]
    Unwanted {
        node: NodeId,
        act: Act,
        attempt: AttemptId,
    },
    #[error("{node} did {act:?} for attempt {attempt}, which has no open slot")]
    NoSlot {
        node: NodeId,
        act: Act,
        attempt: AttemptId,
    },
    #[error("{node} follows an order that nobody sent: {number}")]
    StrangeOrder { node: NodeId, number: OrderNumber },
    #[error("{node} began attempt {attempt} twice")]
    Twice { node: NodeId, attempt: AttemptId },
    #[error("{node} started the transaction of attempt {attempt} twice")]
    TransactionTwice { node: NodeId, attempt: AttemptId },
    #[error(
        "{node} booted for attempt {attempt} in {boots} boots; one forth and one back are allowed"
    )]
    Boots {
        node: NodeId,
        attempt: AttemptId,
        boots: usize,
    },
    #[error("{node} went back from order {before} to {now}")]
    Backward {
        node: NodeId,
        before: OrderNumber,
        now: OrderNumber,
    },
    #[error("{node} says that attempt {attempt} ended as {now}; it had ended as {before}")]
    EndChanged {
        node: NodeId,
        attempt: AttemptId,
        before: Outcome,
        now: Outcome,
    },
    #[error("{node} says that attempt {attempt} failed ({why}), and nothing was in its way")]
    FailedForNothing {
        node: NodeId,
        attempt: AttemptId,
        why: String,
    },
    #[error("the slot of {node} ended, and nobody reported an end of attempt {attempt}")]
    SlotReleased { node: NodeId, attempt: AttemptId },
    #[error("{node} counts as done and lacks {lacks:?}")]
    NotDone { node: NodeId, lacks: Vec<String> },
    #[error("order {number} of {node} was sent with two contents")]
    TwoContents { node: NodeId, number: OrderNumber },
    #[error("attempt {attempt} of {node} has {ends} ends on record")]
    Ends {
        node: NodeId,
        attempt: AttemptId,
        ends: usize,
    },
    #[error("the rollout does not end: {what}")]
    NoEnd { what: String },
    #[error("the plan is flawed: {what}")]
    Flaw { what: String },
    #[error("the BMC of {node} will reset it, and nothing is being done there")]
    WillBeReset { node: NodeId },
    #[error("{node} cannot go on: {what}")]
    Stuck { node: NodeId, what: String },
}

/// What was seen of one node.
#[derive(Debug, Default)]
struct Seen {
    running: Option<AttemptId>,
    begun: BTreeSet<AttemptId>,
    ended: BTreeMap<AttemptId, Outcome>,
    installed_for: BTreeMap<AttemptId, Uuid>,
    boots: BTreeMap<AttemptId, BTreeSet<BootId>>,
    highest: BTreeMap<LedgerId, OrderNumber>,
    sent: BTreeMap<OrderNumber, Digest>,
    tickets: BTreeSet<AttemptId>,
    followed: Option<OrderMark>,
    /// The attempt that runs, and that no order names any more which the ledger holds.
    unwanted: Option<AttemptId>,
}

fn unwanted(book: &Book) -> Option<AttemptId> {
    let (ticket, _) = book.running()?;
    let mut orders = book.effective().into_iter().chain(book.pending());
    let is_named = orders.any(|order| order.content.ticket(ticket.attempt).is_some());
    (!is_named).then_some(ticket.attempt)
}

/// The watcher.
#[derive(Debug)]
pub struct Promises {
    shape: Shape,
    nodes: BTreeMap<NodeId, Seen>,
    /// Ends that a person has confirmed.
    pub confirmed: BTreeSet<(AttemptId, Outcome)>,
    /// Because of what may come over a server attempts may fail.
    spoilt: bool,
    /// Nodes whose packages somebody changed.
    by_hand: BTreeSet<NodeId>,
}

impl Promises {
    pub fn new(shape: &Shape) -> Self {
        let nodes = (0..shape.nodes).map(|n| (shape.id(n), Seen::default()));
        Self {
            nodes: nodes.collect(),
            shape: shape.clone(),
            confirmed: BTreeSet::new(),
            spoilt: shape.faults.spoil(),
            by_hand: BTreeSet::new(),
        }
    }

    /// Something came over a server that no fault of the shape is.
    pub const fn spoilt(&mut self) {
        self.spoilt = true;
    }

    /// A person chose what packages the node has, so that it may lack what others are to get.
    pub fn by_hand(&mut self, node: NodeId) {
        self.by_hand.insert(node);
    }

    fn seen(&mut self, node: NodeId) -> &mut Seen {
        self.nodes.entry(node).or_default()
    }

    /// An order went out.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn sent(&mut self, order: &NodeOrder) -> Result<(), Broken> {
        let (node, number) = (order.node, order.number());
        let digest = order.content.digest();
        let seen = self.seen(node);
        seen.tickets
            .extend(order.content.tickets.iter().map(|t| t.attempt));
        match seen.sent.insert(number, digest) {
            Some(before) if before != digest => Err(Broken::TwoContents { node, number }),
            _ => Ok(()),
        }
    }

    /// What a node did, and what its ledger holds now. `subject` is the attempt that its agent was
    /// at when the event began.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn node(
        &mut self,
        nodes: &BTreeMap<NodeId, Node>,
        id: NodeId,
        subject: Option<AttemptId>,
        acts: Vec<Act>,
        stored: &Stored,
        at: Moment,
    ) -> Result<(), Broken> {
        let node = &nodes[&id];
        let slot = stored.plan.content().slots.get(&id);
        for act in acts {
            self.act(node, subject, act, slot)?;
        }
        match self.ledger(node)? {
            Some(begun) => self.in_time(id, begun, nodes, at),
            None => Ok(()),
        }
    }

    fn act(
        &mut self,
        node: &Node,
        subject: Option<AttemptId>,
        act: Act,
        slot: Option<&Slot>,
    ) -> Result<(), Broken> {
        let (id, boot) = (node.id, node.boot);
        let seen = self.seen(id);
        let Some(attempt) = subject else {
            return Err(Broken::NoTicket { node: id, act });
        };
        let has_ended = seen.ended.get(&attempt).is_some_and(|o| o.is_terminal());
        if has_ended || !seen.tickets.contains(&attempt) {
            return Err(Broken::NoTicket { node: id, act });
        }
        // What has begun keeps its order until its end.
        if matches!(act, Act::Install(..) | Act::Reboot) && seen.unwanted == Some(attempt) {
            return Err(Broken::Unwanted {
                node: id,
                act,
                attempt,
            });
        }
        let open = slot.is_some_and(|s| {
            s.attempt == attempt
                && matches!(s.phase, SlotPhase::Ordered | SlotPhase::Withdrawn { .. })
        });
        if !open {
            return Err(Broken::NoSlot {
                node: id,
                act,
                attempt,
            });
        }
        match act {
            Act::Install(transaction, had) => {
                // Until it has begun it may be started as often as it takes.
                let before = seen.installed_for.insert(attempt, transaction);
                if had == Had::Begun || before.is_some_and(|b| b != transaction) {
                    return Err(Broken::TransactionTwice { node: id, attempt });
                }
            }
            Act::Reboot => {
                let boots = seen.boots.entry(attempt).or_default();
                boots.insert(boot);
                if boots.len() > 2 {
                    let boots = boots.len();
                    return Err(Broken::Boots {
                        node: id,
                        attempt,
                        boots,
                    });
                }
            }
            Act::Mend(_) | Act::Boot(_) | Act::Restart(_) | Act::Hold => {}
        }
        Ok(())
    }

    /// Answers the attempt that was begun since the last look, and when: its agent may have died in
    /// between.
    fn ledger(&mut self, of: &Node) -> Result<Option<(AttemptId, Timestamp)>, Broken> {
        let node = of.id;
        let Some(ledger) = of.ledger() else {
            return Ok(None);
        };
        let report = ledger.report();
        let spoilt = self.spoilt;
        let seen = self.seen(node);
        if let Some(mark) = report.highest() {
            let now = mark.number();
            let before = seen.highest.insert(report.ledger, now);
            if let Some(before) = before.filter(|before| *before > now) {
                return Err(Broken::Backward { node, before, now });
            }
            if seen.sent.get(&now) != Some(&mark.digest) {
                return Err(Broken::StrangeOrder { node, number: now });
            }
        }
        seen.followed = report.effective;
        seen.unwanted = unwanted(ledger.book());
        for end in &report.attempts {
            let (attempt, now) = (end.attempt, end.outcome);
            let before = seen.ended.insert(attempt, now);
            if let Some(before) = before.filter(|b| !b.may_become(now)) {
                return Err(Broken::EndChanged {
                    node,
                    attempt,
                    before,
                    now,
                });
            }
            seen.begun.insert(attempt);
            // Neither was ever begun.
            let unbegun = ["Withdrawn", "TooLate"].contains(&end.reason.as_str());
            if !spoilt && now != Outcome::Done && !unbegun {
                let why = format!("{}: {}", end.reason, end.message);
                return Err(Broken::FailedForNothing { node, attempt, why });
            }
        }
        let since = report.running.as_ref().map(|r| r.since);
        let running = report.running.map(|r| r.attempt);
        if let Some(attempt) = running
            && seen.running != running
            && !seen.begun.insert(attempt)
        {
            return Err(Broken::Twice { node, attempt });
        }
        let begun = running.filter(|_| seen.running != running).zip(since);
        seen.running = running;
        Ok(begun)
    }

    /// An attempt begins within the window, so early that it is over in it, and never beside servers
    /// that were away already when its ticket cannot have been ordered any more.
    fn in_time(
        &self,
        node: NodeId,
        (attempt, begun): (AttemptId, Timestamp),
        nodes: &BTreeMap<NodeId, Node>,
        at: Moment,
    ) -> Result<(), Broken> {
        let ago = at.wall.duration_since(begun).unsigned_abs();
        let late = |what: String| {
            Err(Broken::BegunTooLate {
                node,
                attempt,
                what,
            })
        };
        if let Some(minutes) = self.shape.window {
            let into = begun.as_second().rem_euclid(3_600);
            let latest = i64::from(minutes) * 60 - ESTIMATE.as_secs() + DELIVERY.as_secs();
            if into >= latest {
                return late(format!(
                    "{into} s into the hour, and it may until {latest} s"
                ));
            }
        }
        let known = KNOWN_AWAY + BEGIN_WITHIN.unsigned_abs();
        let off = |n: &&Node| {
            n.off_since
                .is_some_and(|since| at.steady.saturating_sub(since + ago) > known)
        };
        let away = nodes.values().filter(off).map(|n| n.id);
        let away: BTreeSet<NodeId> = away.chain([node]).collect();
        match self.exceeded(&away, Some(node)) {
            Some((what, away, most)) => late(format!(
                "while {away} of {what} were away with it, and {most} may be"
            )),
            None => Ok(()),
        }
    }

    /// The agent's process ended, or its ledger with it: whatever ran is run on by the same ledger,
    /// or by none.
    pub fn lost_ledger(&mut self, node: NodeId) {
        self.seen(node).running = None;
    }

    /// A plan was written.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn advanced(
        &mut self,
        parent: &Plan,
        child: &Plan,
        nodes: &BTreeMap<NodeId, Node>,
        now: Duration,
    ) -> Result<(), Broken> {
        for (id, slot) in &parent.content().slots {
            self.released(*id, slot, child, nodes)?;
        }
        let new = child.content().slots.keys();
        let before = &parent.content().slots;
        for id in new.filter(|id| !before.contains_key(id)) {
            let away = nodes.values().filter(|n| {
                let off = n.off_since.is_some_and(|since| now - since > KNOWN_AWAY);
                child.content().slots.contains_key(&n.id) || off
            });
            let away: BTreeSet<NodeId> = away.map(|n| n.id).collect();
            if let Some((what, away, most)) = self.exceeded(&away, Some(*id)) {
                return Err(Broken::ReservedBeside {
                    node: *id,
                    what,
                    away,
                    most,
                });
            }
        }
        Ok(())
    }

    /// Whether a slot that ended may have.
    fn released(
        &self,
        node: NodeId,
        slot: &Slot,
        child: &Plan,
        nodes: &BTreeMap<NodeId, Node>,
    ) -> Result<(), Broken> {
        let attempt = slot.attempt;
        let next = child.content().slots.get(&node);
        let next = next.filter(|n| n.attempt == attempt || slot.phase == SlotPhase::Reserved);
        if next.is_some_and(|n| !matches!(n.phase, SlotPhase::Kept { .. })) {
            return Ok(());
        }
        let seen = &self.nodes[&node];
        let end = seen.ended.get(&attempt).filter(|o| o.is_terminal());
        let looked_at = |outcome| self.confirmed.contains(&(attempt, outcome));
        let fine = match slot.phase {
            SlotPhase::Reserved => true,
            SlotPhase::Kept { outcome, .. } => next.is_some() || looked_at(outcome),
            SlotPhase::Ordered => end.is_some() || looked_at(Outcome::Unknown),
            SlotPhase::Withdrawn { with, .. } => {
                let follows = seen.followed.is_some_and(|m| m.generation >= with);
                let never = follows && !seen.begun.contains(&attempt);
                end.is_some() || looked_at(Outcome::Unknown) || never
            }
        };
        if !fine {
            return Err(Broken::SlotReleased { node, attempt });
        }
        let rollout = child.content().rollouts.get(&slot.rollout);
        let state = rollout.and_then(|r| r.nodes.get(&node)).map(|n| n.state);
        let upgradable = nodes.get(&node).map(|n| n.packages().upgradable);
        let lacks = match upgradable {
            Some(Some(left)) => left
                .iter()
                .map(|u| format!("{} {}", u.name, u.candidate))
                .collect(),
            _ => vec!["a readable list of updates".to_owned()],
        };
        match state {
            _ if self.by_hand.contains(&node) => Ok(()),
            Some(NodeState::Done) if !lacks.is_empty() => Err(Broken::NotDone { node, lacks }),
            _ => Ok(()),
        }
    }

    /// The budget of what is reserved and what is being changed.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn budget(&self, stored: &Stored) -> Result<(), Broken> {
        let slots = stored.plan.content().slots.keys().copied();
        let changed = self.nodes.iter().filter(|(_, seen)| seen.running.is_some());
        let away: BTreeSet<NodeId> = slots.chain(changed.map(|(id, _)| *id)).collect();
        match self.exceeded(&away, None) {
            Some((what, away, most)) => Err(Broken::Budget { what, away, most }),
            None => Ok(()),
        }
    }

    /// The first set in which more is away than may be, of those that `with` is in. Counted by itself: it
    /// shares no code with the planner.
    fn exceeded(
        &self,
        away: &BTreeSet<NodeId>,
        with: Option<NodeId>,
    ) -> Option<(String, u32, u32)> {
        let shape = &self.shape;
        let numbers: Vec<u32> = (0..shape.nodes)
            .filter(|n| away.contains(&shape.id(*n)))
            .collect();
        let with = with.and_then(|id| (0..shape.nodes).find(|n| shape.id(*n) == id));
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut by_rack: BTreeMap<u32, u32> = BTreeMap::new();
        for n in &numbers {
            *by_rack.entry(shape.rack(*n)).or_default() += 1;
        }
        let own = by_rack
            .iter()
            .filter(|(rack, _)| with.is_none_or(|n| shape.rack(n) == **rack));
        let fullest = own.map(|(_, taken)| *taken).max().unwrap_or(0);
        let (what, taken, most) = match shape.budget {
            Budget::Nodes(most) => ("all nodes", count(numbers.len()), most),
            Budget::Racks(most) => ("all racks", count(by_rack.len()), most),
            Budget::PerRack(most) => ("one rack", fullest, most),
        };
        if taken > most {
            return Some((what.to_owned(), taken, most));
        }
        if with.is_some_and(|n| n >= shape.quorum) {
            return None;
        }
        let members = count(numbers.iter().filter(|n| **n < shape.quorum).count());
        (members > 1).then(|| ("the quorum".to_owned(), members, 1))
    }

    /// Who had nothing to do really lacks nothing.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn nothing_left(&self, plan: &Plan, nodes: &BTreeMap<NodeId, Node>) -> Result<(), Broken> {
        let parts = plan.content().rollouts.values().flat_map(|r| &r.nodes);
        let idle = parts.filter(|(_, part)| part.state == NodeState::NothingToDo);
        for (id, _) in idle.filter(|(id, _)| !self.by_hand.contains(id)) {
            let node = *id;
            let left = nodes.get(id).and_then(|n| n.packages().upgradable);
            let lacks: Vec<String> = left.into_iter().flatten().map(|u| u.name).collect();
            if !lacks.is_empty() {
                return Err(Broken::NotDone { node, lacks });
            }
        }
        match nodes.values().find(|node| node.will_be_reset()) {
            Some(node) => Err(Broken::WillBeReset { node: node.id }),
            None => Ok(()),
        }
    }

    /// Every ticket that was ever sent has one end on record, no more and no less.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn ends(&self, audit: &[Ended]) -> Result<(), Broken> {
        for (node, seen) in &self.nodes {
            for attempt in seen.tickets.iter().chain(&seen.begun) {
                let ends = audit.iter().filter(|e| e.attempt == *attempt).count();
                if ends != 1 {
                    return Err(Broken::Ends {
                        node: *node,
                        attempt: *attempt,
                        ends,
                    });
                }
            }
        }
        Ok(())
    }
}
