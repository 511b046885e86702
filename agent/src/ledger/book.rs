//! The content of the ledger and what may happen to it. Pure: time and ids are handed in.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::{BootId, NodeId};
use h8lio_model::order::{
    AttemptId, AttemptReport, HeldLease, LeaseResource, LedgerId, NodeOrder, OrderContent,
    OrderMark, OrderReport, Outcome, OwnHold, Refusal, Refused, Running, SafePoint, Ticket,
    Verdict, weigh,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The present form of the file.
pub const FORMAT: u32 = 1;

/// So many ended attempts keep their words; of older ones only the outcome is remembered, for ever.
const TOLD: usize = 32;

/// The longest message kept with an attempt, in characters.
const LONGEST: usize = 400;

/// The content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Book {
    format: u32,
    id: LedgerId,
    node: NodeId,
    /// Why the ledger before this one was lost, until a first order was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective: Option<NodeOrder>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<NodeOrder>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<Kept>,
    /// Leases that orders gave. A newer order that does not mention one takes it from nobody.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    leases: BTreeMap<LeaseResource, HeldLease>,
    /// Packages that are held since a fallback, and that nobody else held before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<OwnHold>,
    /// Of those, the names of what was seen let go by the word of an order that names them still.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    gone: BTreeSet<String>,
    /// The newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<AttemptReport>,
    /// Attempts that ended longer ago.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<AttemptId, Outcome>,
}

/// A step that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    ticket: Ticket,
    /// What the attempt was begun for; a newer order that wishes for something else under the same
    /// attempt id does not change what is under way.
    content: OrderContent,
    step: String,
    safe_point: SafePoint,
    since: Timestamp,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is followed from now on.
    Effective,
    /// It is followed as soon as the running step has come to its safe point.
    Pending(SafePoint),
    /// It was taken before.
    Repeat,
}

/// How an attempt goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoOn {
    /// The order that is followed now still wants it.
    Yes,
    /// It does not; the attempt comes to its end by the step's safe point.
    Withdrawn,
}

/// Why the ledger says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("there is no order to follow yet{}; waiting for one", because(.lost))]
    ObserveOnly { lost: Option<String> },
    #[error("attempt {0} is not in the order that is followed")]
    NotOrdered(AttemptId),
    #[error("attempt {attempt} ended as {outcome}; only a new attempt id tries again")]
    Latched {
        attempt: AttemptId,
        outcome: Outcome,
    },
    #[error("attempt {running} runs; one irreversible act at a time")]
    Busy { running: AttemptId },
    #[error("a newer order waits; the running step has to come to its safe point first")]
    GiveWay,
    #[error("attempt {0} does not run")]
    NotRunning(AttemptId),
}

fn because(lost: &Option<String>) -> String {
    let told = |why| format!(": the ledger before was lost ({why})");
    lost.as_ref().map(told).unwrap_or_default()
}

impl Book {
    /// An empty one. `lost` says why the one before cannot be used.
    pub fn new(id: LedgerId, node: NodeId, lost: Option<String>) -> Self {
        Self {
            format: FORMAT,
            id,
            node,
            lost,
            effective: None,
            pending: None,
            running: None,
            leases: BTreeMap::new(),
            holds: Vec::new(),
            gone: BTreeSet::new(),
            told: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    pub const fn id(&self) -> LedgerId {
        self.id
    }

    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// The order that is followed. `None`: observe, and do nothing.
    pub const fn effective(&self) -> Option<&NodeOrder> {
        self.effective.as_ref()
    }

    /// The order that waits for a safe point.
    pub const fn pending(&self) -> Option<&NodeOrder> {
        self.pending.as_ref()
    }

    /// The ticket of the attempt that runs, and what it was begun for.
    pub fn running(&self) -> Option<(&Ticket, &OrderContent)> {
        self.running.as_ref().map(|r| (&r.ticket, &r.content))
    }

    /// How an attempt ended, if it did.
    pub fn outcome(&self, attempt: AttemptId) -> Option<Outcome> {
        let told = self.told.iter().find(|t| t.attempt == attempt);
        told.map(|t| t.outcome)
            .or_else(|| self.ended.get(&attempt).copied())
    }

    /// Leases that hold at `now` in this boot.
    pub fn leases(&self, boot: BootId, now: Timestamp) -> impl Iterator<Item = &HeldLease> {
        let holds = move |l: &&HeldLease| l.boot_id == boot && now < l.expires_at;
        self.leases.values().filter(holds)
    }

    /// Takes an order, or says why not.
    ///
    /// # Errors
    /// [`NotNow::Refused`]; nothing has changed.
    pub fn accept(&mut self, order: &NodeOrder) -> Result<Accepted, NotNow> {
        match weigh(self.node, self.id, self.highest().as_ref(), order)? {
            Verdict::Repeat => Ok(Accepted::Repeat),
            Verdict::Newer => Ok(match &self.running {
                Some(running) => {
                    let safe_point = running.safe_point;
                    self.pending = Some(order.clone());
                    Accepted::Pending(safe_point)
                }
                None => {
                    self.follow(order.clone());
                    Accepted::Effective
                }
            }),
        }
    }

    /// The highest order ever accepted.
    fn highest(&self) -> Option<OrderMark> {
        let highest = self.pending.as_ref().or(self.effective.as_ref());
        highest.map(NodeOrder::mark)
    }

    fn follow(&mut self, order: NodeOrder) {
        for lease in &order.content.leases {
            self.leases.insert(lease.resource.clone(), lease.clone());
        }
        self.lost = None;
        self.effective = Some(order);
    }

    /// The ticket that waits to be begun. `None`: nothing is to be done.
    pub fn due(&self) -> Option<&Ticket> {
        if self.running.is_some() {
            return None;
        }
        let tickets = &self.effective.as_ref()?.content.tickets;
        tickets.iter().find(|t| self.outcome(t.attempt).is_none())
    }

    /// Begins an attempt with its first step.
    ///
    /// # Errors
    /// [`NotNow`].
    pub fn begin(
        &mut self,
        attempt: AttemptId,
        step: &str,
        safe_point: SafePoint,
        now: Timestamp,
    ) -> Result<(), NotNow> {
        if let Some(outcome) = self.outcome(attempt) {
            return Err(NotNow::Latched { attempt, outcome });
        }
        if let Some(running) = &self.running {
            let running = running.ticket.attempt;
            return Err(NotNow::Busy { running });
        }
        let order = self.effective.as_ref().ok_or_else(|| NotNow::ObserveOnly {
            lost: self.lost.clone(),
        })?;
        let ticket = order.content.ticket(attempt);
        let ticket = *ticket.ok_or(NotNow::NotOrdered(attempt))?;
        self.running = Some(Kept {
            ticket,
            content: order.content.clone(),
            step: step.to_owned(),
            safe_point,
            since: now,
        });
        Ok(())
    }

    /// Goes on to the next step of the running attempt.
    ///
    /// # Errors
    /// [`NotNow::GiveWay`] while a newer order waits: [`Book::safe_point`] comes first. Only a step
    /// that goes on to its end, after another such step, is begun all the same.
    pub fn step(
        &mut self,
        attempt: AttemptId,
        step: &str,
        safe_point: SafePoint,
        now: Timestamp,
    ) -> Result<(), NotNow> {
        let waits = self.pending.is_some();
        let running = self
            .running
            .as_mut()
            .filter(|r| r.ticket.attempt == attempt);
        let running = running.ok_or(NotNow::NotRunning(attempt))?;
        let finishes = [running.safe_point, safe_point] == [SafePoint::Finish; 2];
        if waits && !finishes {
            return Err(NotNow::GiveWay);
        }
        running.step = step.to_owned();
        running.safe_point = safe_point;
        running.since = now;
        Ok(())
    }

    /// The running step has come to its safe point: a newer order that waited is followed from now
    /// on, and says whether the attempt goes on. It does when the order has the same ticket for the
    /// same wishes.
    pub fn safe_point(&mut self) -> GoOn {
        if let Some(newer) = self.pending.take() {
            self.follow(newer);
        }
        let Some(running) = &self.running else {
            return GoOn::Withdrawn;
        };
        let wanted = self.effective.as_ref().is_some_and(|o| {
            o.content.tickets.contains(&running.ticket)
                && o.content.patch == running.content.patch
                && o.content.reboot == running.content.reboot
        });
        if wanted { GoOn::Yes } else { GoOn::Withdrawn }
    }

    /// Latches how an attempt ended. The same end again changes nothing; of an attempt whose end
    /// was not seen, what was then observed is written over it.
    ///
    /// # Errors
    /// [`NotNow::Latched`] for another end than the one that stands, [`NotNow::NotRunning`] for an
    /// attempt that was never begun.
    pub fn end(&mut self, report: AttemptReport) -> Result<(), NotNow> {
        let attempt = report.attempt;
        match self.outcome(attempt) {
            Some(outcome) if !outcome.may_become(report.outcome) => {
                return Err(NotNow::Latched { attempt, outcome });
            }
            Some(outcome) if outcome == report.outcome => {}
            Some(_) => self.latch(report),
            None => {
                let runs = self.running.as_ref().map(|r| r.ticket.attempt);
                if runs != Some(attempt) {
                    return Err(NotNow::NotRunning(attempt));
                }
                self.latch(report);
            }
        }
        if self
            .running
            .as_ref()
            .is_some_and(|r| r.ticket.attempt == attempt)
        {
            self.running = None;
        }
        if self.running.is_none()
            && let Some(newer) = self.pending.take()
        {
            self.follow(newer);
        }
        Ok(())
    }

    fn latch(&mut self, mut report: AttemptReport) {
        if let Some((cut, _)) = report.message.char_indices().nth(LONGEST) {
            report.message.truncate(cut);
        }
        self.told.retain(|t| t.attempt != report.attempt);
        self.ended.remove(&report.attempt);
        self.told.push(report);
        while self.told.len() > TOLD {
            let oldest = self.told.remove(0);
            self.ended.insert(oldest.attempt, oldest.outcome);
        }
    }

    /// Packages that the agent holds by itself.
    pub fn holds(&self) -> &[OwnHold] {
        &self.holds
    }

    /// Notes packages that are about to be held. One that is noted already stays as it is.
    pub fn note_holds(&mut self, holds: Vec<OwnHold>) {
        for hold in holds {
            self.gone.remove(&hold.name());
            if !self.holds.iter().any(|h| h.name() == hold.name()) {
                self.holds.push(hold);
            }
        }
    }

    /// Keeps the notes of packages that `stands` says are held still.
    pub fn keep_holds(&mut self, stands: impl Fn(&OwnHold) -> bool) {
        self.holds.retain(stands);
        let holds = &self.holds;
        self.gone
            .retain(|name| holds.iter().any(|hold| hold.name() == *name));
    }

    /// Whether the package was let go already, so that whoever holds it now is not the agent.
    pub fn is_gone(&self, hold: &OwnHold) -> bool {
        self.gone.contains(&hold.name())
    }

    /// Notes which of the packages that the agent held were let go.
    pub fn note_gone(&mut self, is_gone: impl Fn(&OwnHold) -> bool) {
        let gone = self.holds.iter().filter(|hold| is_gone(hold));
        self.gone.extend(gone.map(OwnHold::name));
    }

    /// For the coordinator.
    pub fn report(&self, refused: Option<Refused>, doing: Option<&str>) -> OrderReport {
        OrderReport {
            ledger: self.id,
            effective: self.effective.as_ref().map(NodeOrder::mark),
            pending: self.pending.as_ref().map(NodeOrder::mark),
            running: self.running.as_ref().map(|r| Running {
                attempt: r.ticket.attempt,
                step: r.step.clone(),
                safe_point: r.safe_point,
                since: r.since,
                doing: doing.map(str::to_owned),
            }),
            attempts: self.told_or_named(),
            holds: self.holds.clone(),
            last_ended: self.told.last().map(|t| t.attempt),
            refused,
        }
    }

    /// Ended attempts with their words, and those that an order still names although they ended
    /// long ago: a ticket that is sent again is answered, however old.
    fn told_or_named(&self) -> Vec<AttemptReport> {
        let orders = self.effective.iter().chain(&self.pending);
        let named = orders.flat_map(|o| &o.content.tickets);
        let old = named.filter_map(|t| {
            let outcome = *self.ended.get(&t.attempt)?;
            Some(AttemptReport {
                attempt: t.attempt,
                outcome,
                as_before: false,
                reason: "EndedBefore".to_owned(),
                message: format!("attempt {} ended as {outcome} long ago", t.attempt),
                at: Timestamp::UNIX_EPOCH,
            })
        });
        let mut all = self.told.clone();
        for report in old {
            if !all.iter().any(|a| a.attempt == report.attempt) {
                all.push(report);
            }
        }
        all
    }
}
