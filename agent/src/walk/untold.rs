//! Waiting that has no end of its own: for a database that cannot be read, for somebody who does not
//! leave it, for a transaction whose end nobody sees. It ends by being told as what it is: nobody knows.

use std::time::Duration;

use uuid::Uuid;

use super::silence::No;
use super::{Now, Walker};
use crate::host::patching::PatchError;
use crate::reconcile::patching::way::machine::Event;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Unread,
    Busy,
    AtWork(Uuid),
}

/// What a step waits for, look after look, since a moment on the steady clock.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    before: Option<(Waits, Duration)>,
    now: Option<(Waits, Duration)>,
}

impl Waiting {
    /// A look begins: what it does not wait for any more is forgotten.
    pub(super) fn next(&mut self) {
        self.before = self.now.take();
    }

    fn since(&mut self, what: Waits, at: Duration) -> Duration {
        let before = self.before.filter(|(waited, _)| *waited == what);
        let since = before.map_or(at, |(_, since)| since);
        self.now = Some((what, since));
        since
    }
}

impl Walker {
    /// That no transaction of this agent's is at work, of whichever attempt: one that was given up may
    /// work on, and holds a lock of dpkg's only for a part of its time.
    pub(super) fn none_at_work(&self) -> Result<(), No> {
        match self.server.patch.at_work().as_deref() {
            Some([]) => Ok(()),
            Some([first, ..]) => Err(No::Busy(format!("transaction {first} is at work still"))),
            None => Err(No::Busy(
                "it cannot be told whether a transaction is at work still".to_owned(),
            )),
        }
    }

    /// Waits on, or has waited for so long that nobody can tell what became of the step. Of the step's
    /// `transactions`, those that have not begun never will.
    pub(super) fn untold(
        &mut self,
        what: Waits,
        transactions: &[Uuid],
        now: &Now,
    ) -> Option<Event> {
        let since = self.waits.since(what, now.moment.steady);
        let most = match what {
            Waits::Unread | Waits::Busy => self.patience.lock,
            // It is killed at its deadline; then its lock is free.
            Waits::AtWork(_) => self.patience.transaction + self.patience.lock,
        };
        if now.moment.steady.saturating_sub(since) < most {
            return None;
        }
        if let Waits::AtWork(transaction) = what {
            self.note = format!("transaction {transaction} is at work still, or cannot be asked");
        }
        for transaction in transactions {
            match self.server.patch.withdraw(*transaction) {
                Ok(()) | Err(PatchError::Begun { .. }) => {}
                Err(e) => self.warn_once(crate::chain(&e)),
            }
        }
        Some(Event::Untold)
    }
}
