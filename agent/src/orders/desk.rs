//! One turn after the other: open the ledger, take the newest order, walk. Blocks.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::order::{AttemptId, LedgerId};
use tokio::sync::watch;

use super::index::{self, Index};
use super::intake::Intake;
use super::voice::{ATTEMPT, LEDGER, Publisher, Voice, WATCHDOG};
use super::{Setup, Signals};
use crate::host::patching::{MayAct, OnlyObserved};
use crate::ledger::book::Book;
use crate::ledger::{Ledger, LedgerError, Opened};
use crate::reconcile::patching::transaction::judge::Held;
use crate::walk::{Between as _, Countdown, Walked, Walker};

/// How soon to look again what has come of a step.
const LOOK: Duration = Duration::from_secs(3);

/// How soon to try again what failed.
const AGAIN: Duration = Duration::from_secs(30);

/// When the next turn is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Now,
    After(Duration),
    /// Of the session.
    WhenSomethingComes,
}

/// Everything that follows orders.
#[derive(Debug)]
pub(super) struct Desk {
    setup: Setup,
    signals: Signals,
    intake: Intake,
    voice: Voice,
    pub(super) ledger: Option<Ledger>,
    walker: Result<Walker, OnlyObserved>,
    /// What a life that had leave may have left; looked after where there is no walker.
    pub(super) left: Countdown,
    index: Index,
}

impl Desk {
    pub(super) fn new(setup: Setup, signals: Signals, stopped: watch::Receiver<bool>) -> Self {
        let voice = Voice::of(&setup);
        let order = signals.order.clone();
        let (clock, shared) = (Arc::clone(&setup.clock), Arc::clone(&setup.shared));
        let intake = Intake::new(order, clock, voice.clone(), stopped, shared);
        let walker = MayAct::by(setup.mode).map(|leave| {
            let (server, dir) = (setup.server.clone(), &setup.state_dir);
            Walker::new(server, dir, leave, Held::Refuse, setup.patience)
        });
        let index = Index::of(setup.node);
        Self {
            setup,
            signals,
            intake,
            voice,
            ledger: None,
            walker,
            left: Countdown::default(),
            index,
        }
    }

    /// One turn; answers when the next is due.
    pub(super) fn turn(&mut self) -> Next {
        // First of all: it may reset the server within minutes. Without a walker, the ledger tells
        // whether there is anything to look after.
        if self.walker.is_err() && self.ledger.is_none() {
            self.ledger = self.open();
        }
        let is_swept = self.sweep();
        let next = self.work();
        match next {
            Next::WhenSomethingComes if !is_swept => Next::After(AGAIN),
            next => next,
        }
    }

    /// Whether no countdown of an earlier life goes on. A server that is only observed has none, but for
    /// one of an attempt that was made before the owner took the leave away: it would reset the server,
    /// and stopping it takes nobody's leave.
    fn sweep(&mut self) -> bool {
        let now = self.setup.clock.now().steady;
        let swept = match &mut self.walker {
            Ok(walker) => walker.sweep(now),
            Err(_) => {
                let book = self.ledger.as_ref().map(Ledger::book);
                let running = book.and_then(|book| Some(book.running()?.0.attempt));
                let longest = self.setup.patience.hang;
                self.left.by_log(&self.setup.state_dir, running, longest);
                match self.left.is_armed() {
                    true => self.left.sweep(&self.setup.server, now),
                    false => Ok(()),
                }
            }
        };
        match swept {
            Ok(()) => {
                self.voice.clear(WATCHDOG);
                true
            }
            Err(why) => {
                self.voice.complain(WATCHDOG, "NotStopped", why);
                false
            }
        }
    }

    fn work(&mut self) -> Next {
        if self.ledger.is_none() {
            self.ledger = self.open();
        }
        let may_begin = self.may_begin();
        let Some(ledger) = &mut self.ledger else {
            return Next::After(AGAIN);
        };
        self.intake.take(ledger);
        let next = match &mut self.walker {
            Err(no) => only_observe(&self.voice, ledger.book(), no),
            Ok(_) if ledger.book().running().is_none() && !may_begin => Next::WhenSomethingComes,
            Ok(walker) => walk(walker, ledger, &mut self.intake, &self.voice),
        };
        match next {
            Next::WhenSomethingComes if self.intake.is_behind() => Next::After(AGAIN),
            Next::WhenSomethingComes if may_begin => self.refresh(),
            next => next,
        }
    }

    /// Nothing is to be done: a good moment to fetch an old package index anew.
    fn refresh(&mut self) -> Next {
        let Ok(leave) = MayAct::by(self.setup.mode) else {
            return Next::WhenSomethingComes;
        };
        let host = &self.setup.server.patch;
        if self
            .index
            .is_due(host.index_updated_at(), self.setup.clock.now())
        {
            match host.refresh(leave) {
                Ok(()) => tracing::info!("the package index was fetched anew"),
                // Its age is a condition of its own when it goes on.
                Err(e) => tracing::warn!("{}", crate::chain(&e)),
            }
        }
        Next::After(index::AGAIN)
    }

    /// Whether something new may begin: the coordinator is there, and the identity is in good
    /// standing.
    fn may_begin(&self) -> bool {
        self.signals.coordinator.borrow().is_some() && self.signals.restricted.borrow().is_none()
    }

    fn open(&self) -> Option<Ledger> {
        let fresh = LedgerId(self.setup.entropy.uuid());
        match Ledger::open(Arc::clone(&self.setup.disk), self.setup.node, fresh) {
            Ok((mut ledger, opened)) => {
                if let Opened::Lost { why } = opened {
                    tracing::warn!(
                        "the ledger was lost ({why}); this server is only observed until an order \
                         comes that knows of it"
                    );
                }
                self.voice.clear(LEDGER);
                ledger.tell(Arc::new(Publisher {
                    sections: self.setup.publish.clone(),
                    shared: Arc::clone(&self.setup.shared),
                }));
                Some(ledger)
            }
            Err(e) => {
                let reason = match e {
                    LedgerError::Newer(_) => "NotUnderstood",
                    _ => "NotWritten",
                };
                let message = format!(
                    "this server is only observed, because its ledger cannot be opened: {}",
                    crate::chain(&e)
                );
                self.voice.complain(LEDGER, reason, message);
                None
            }
        }
    }
}

/// The attempt that a walk would go on with.
fn subject(book: &Book) -> Option<AttemptId> {
    let running = book.running().map(|(ticket, _)| ticket.attempt);
    running.or_else(|| book.due().map(|t| t.attempt))
}

/// Orders are written down and reported, and nothing is done.
fn only_observe(voice: &Voice, book: &Book, no: &OnlyObserved) -> Next {
    match subject(book) {
        Some(attempt) => {
            let message = format!("attempt {attempt} is ordered and not made: {no}");
            voice.complain(ATTEMPT, "OnlyObserved", message);
        }
        None => voice.clear(ATTEMPT),
    }
    Next::WhenSomethingComes
}

fn walk(walker: &mut Walker, ledger: &mut Ledger, intake: &mut Intake, voice: &Voice) -> Next {
    match walker.walk_between(ledger, intake) {
        Ok(walked) => {
            voice.clear(ATTEMPT);
            match walked {
                Walked::Idle => Next::WhenSomethingComes,
                Walked::Waiting { .. } => Next::After(LOOK),
                Walked::Ended(report) => {
                    tracing::info!(
                        "attempt {} ended as {}: {}",
                        report.attempt,
                        report.outcome,
                        report.message
                    );
                    // A newer order may have waited for that.
                    Next::Now
                }
            }
        }
        Err(e) => {
            let message = match subject(ledger.book()) {
                Some(attempt) => {
                    format!("attempt {attempt} does not go on: {}", crate::chain(&e))
                }
                None => format!("no attempt is begun: {}", crate::chain(&e)),
            };
            voice.complain(ATTEMPT, "Failed", message);
            Next::After(AGAIN)
        }
    }
}
