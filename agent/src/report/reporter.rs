//! Runs the collectors and publishes their sections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::section::{Section, SectionKind};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::board::Board;
use super::conditions::settle;
use super::{Collector, Gathered, Shared};
use crate::clock::{SharedClock, sleep_until};
use crate::session::outbox::{Held, Sections};

/// How long a round waits for one collector before it goes on with the next. The slow one goes on
/// by itself and is taken in when it is done.
const PATIENCE: Duration = Duration::from_secs(1);

/// A collector that takes longer than this hangs: its sections age and a condition says so. Above
/// the sum of the deadlines of all tools that one collector runs in a row.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// What the reporter works with.
#[derive(Debug)]
pub struct Reporter {
    pub clock: SharedClock,
    pub board: Arc<Board>,
    pub shared: Arc<Shared>,
    /// Time between two rounds.
    pub every: Duration,
    pub publish: watch::Sender<Sections>,
    /// [`HANGS_AFTER`], unless a test is in a hurry.
    pub hangs_after: Duration,
}

impl Reporter {
    /// A reporter with the usual deadline.
    pub fn new(
        clock: SharedClock,
        board: Arc<Board>,
        shared: Arc<Shared>,
        every: Duration,
        publish: watch::Sender<Sections>,
    ) -> Self {
        Self {
            clock,
            board,
            shared,
            every,
            publish,
            hangs_after: HANGS_AFTER,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(self, collectors: Vec<Box<dyn Collector>>) {
        let mut slots: Vec<Slot> = collectors.into_iter().map(Slot::new).collect();
        let mut board = self.board.watch();
        let mut ends = self.shared.watch_ends();
        let mut next = self.clock.now().steady;
        let mut conditions = Vec::new();
        loop {
            tokio::select! {
                () = sleep_until(self.clock.as_ref(), next) => {
                    next = self.clock.now().steady + self.every;
                    self.round(&mut slots).await;
                }
                // What an attempt has changed is looked at at once; others wait for it.
                Ok(()) = ends.changed() => self.round(&mut slots).await,
                () = any_finished(&mut slots) => {}
                _ = board.changed() => {}
            }
            conditions = self.publish(&slots, &conditions);
        }
    }

    /// Starts each collector that rests, and waits a little for it before the next: one at a time
    /// costs one thread.
    async fn round(&self, slots: &mut [Slot]) {
        for slot in slots {
            if slot.start(&self.clock) {
                let _ = tokio::time::timeout(PATIENCE, slot.finished()).await;
            }
        }
    }

    /// Publishes the sections; answers the conditions among them.
    fn publish(&self, slots: &[Slot], before: &[Condition]) -> Vec<Condition> {
        let now = self.clock.now();
        let mut all = BTreeMap::new();
        let mut found = self.board.standing();
        for slot in slots {
            let trouble = slot.trouble(now.steady, self.hangs_after);
            let fresh = trouble.is_none();
            for section in &slot.last.sections {
                all.insert(section.kind, held(section.clone(), fresh));
            }
            found.extend(slot.last.conditions.iter().cloned());
            found.extend(trouble.map(|t| t.condition(slot.name, now.wall)));
        }
        let conditions = settle(before, found);
        if slots
            .iter()
            .all(|s| s.answered || s.is_hanging(now.steady, self.hangs_after))
        {
            // Before the first round is over, conditions that are not there may yet come; an
            // early report would look like their end.
            if let Ok(section) = Section::encode(SectionKind::Conditions, &conditions) {
                all.insert(SectionKind::Conditions, held(section, true));
            }
        }
        self.shared.with(|s| s.standing.clone_from(&conditions));
        self.publish.send_if_modified(|old| {
            // It comes from the ledger, whenever that changes.
            if let Some(orders) = old.get(&SectionKind::Orders) {
                all.insert(SectionKind::Orders, Arc::clone(orders));
            }
            let changed = **old != all;
            if changed {
                *old = Arc::new(all);
            }
            changed
        });
        conditions
    }
}

fn held(section: Section, fresh: bool) -> Arc<Held> {
    Arc::new(Held { section, fresh })
}

type Collected = (Box<dyn Collector>, Option<Gathered>);

enum State {
    Idle(Box<dyn Collector>),
    Running {
        task: JoinHandle<Collected>,
        /// On the steady clock.
        since: Duration,
    },
    /// It panicked; the agent goes on without it.
    Dead,
}

/// One collector and its last answer.
struct Slot {
    name: &'static str,
    state: State,
    last: Gathered,
    answered: bool,
}

enum Trouble {
    Hangs { seconds: u64 },
    Died,
}

impl Trouble {
    fn condition(&self, collector: &str, now: Timestamp) -> Condition {
        let (reason, message) = match self {
            // No running count: a message that grows would be a new report each round.
            Self::Hangs { seconds } => (
                "TimedOut",
                format!(
                    "reading {collector} takes longer than {seconds} s; what is shown of it is old; look for processes in state D"
                ),
            ),
            Self::Died => (
                "Failed",
                format!(
                    "reading {collector} failed inside the agent; restart h8lio-agent and report its log"
                ),
            ),
        };
        Condition {
            kind: ConditionType::ProbeFailed,
            status: Status::True,
            reason: reason.to_owned(),
            subject: format!("collector {collector}"),
            message,
            since: now,
            observed_at: now,
        }
    }
}

impl Slot {
    fn new(collector: Box<dyn Collector>) -> Self {
        Self {
            name: collector.name(),
            state: State::Idle(collector),
            last: Gathered::default(),
            answered: false,
        }
    }

    /// Starts the collector if it rests; answers whether it did.
    fn start(&mut self, clock: &SharedClock) -> bool {
        let mut collector = match std::mem::replace(&mut self.state, State::Dead) {
            State::Idle(collector) => collector,
            other => {
                self.state = other;
                return false;
            }
        };
        let now = clock.now();
        let task = tokio::task::spawn_blocking(move || {
            let gathered = collector.collect(now);
            (collector, gathered)
        });
        self.state = State::Running {
            task,
            since: now.steady,
        };
        true
    }

    /// Waits for the running collector and takes its answer in; never ends when none runs.
    /// Cancel-safe: a task that is not waited for to the end stays in its slot.
    async fn finished(&mut self) {
        let State::Running { task, .. } = &mut self.state else {
            return std::future::pending().await;
        };
        let joined = task.await;
        self.answered = true;
        self.state = match joined {
            Ok((collector, gathered)) => {
                if let Some(gathered) = gathered {
                    self.last = gathered;
                }
                State::Idle(collector)
            }
            Err(e) => {
                tracing::error!("collector {} failed: {e}", self.name);
                State::Dead
            }
        };
    }

    fn is_hanging(&self, now: Duration, after: Duration) -> bool {
        matches!(self.state, State::Running { since, .. } if now.saturating_sub(since) > after)
    }

    fn trouble(&self, now: Duration, after: Duration) -> Option<Trouble> {
        match self.state {
            State::Dead => Some(Trouble::Died),
            _ if self.is_hanging(now, after) => Some(Trouble::Hangs {
                seconds: after.as_secs(),
            }),
            _ => None,
        }
    }
}

async fn any_finished(slots: &mut [Slot]) {
    if slots.is_empty() {
        return std::future::pending().await;
    }
    let all = slots.iter_mut().map(|s| Box::pin(s.finished()));
    futures::future::select_all(all).await;
}

#[cfg(test)]
#[path = "reporter_tests.rs"]
mod tests;
