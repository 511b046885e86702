//! Sees to it that a transaction begins: it is asked for again until it has, in any life, since
//! whoever asked for it first may have died between writing it down and starting its unit.

use std::time::Duration;

use uuid::Uuid;

use super::{Now, Walker};
use crate::host::patching::{PatchError, Spec};

/// How soon a transaction that has not begun is asked for again.
const AGAIN: Duration = Duration::from_secs(30);

/// A transaction that this life asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    attempt: Uuid,
    first: Duration,
    last: Duration,
    /// Why it was not started the last time.
    why: String,
}

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    NotBegun,
    AtWork,
    /// It is over: what it did is seen in the database.
    Over,
    /// It was withdrawn.
    Never,
}

impl Walker {
    pub(super) fn stands(&self, attempt: Uuid) -> Stands {
        let trace = self.server.patch.trace(attempt);
        match trace.running {
            Some(false) if trace.begun => Stands::Over,
            Some(false) if trace.withdrawn => Stands::Never,
            Some(false) => Stands::NotBegun,
            // Where it cannot be told it may be at work.
            Some(true) | None => Stands::AtWork,
        }
    }

    /// Asks for a transaction that has not begun, or takes it back when it does not begin.
    pub(super) fn ask_for(&mut self, spec: &Spec, now: &Now) {
        let (attempt, at) = (spec.attempt, now.moment.steady);
        let known = self.asked_for.take().filter(|a| a.attempt == attempt);
        if let Some(asked) = &known
            && at.saturating_sub(asked.first) >= self.patience.boot
            && self.server.patch.withdraw(attempt).is_ok()
        {
            let why = match asked.why.as_str() {
                "" => "its unit was started and did not begin it",
                why => why,
            };
            self.note = format!("the transaction was taken back: {why}");
            return;
        }
        let first = known.as_ref().map_or(at, |a| a.first);
        if let Some(asked) = known.filter(|a| at.saturating_sub(a.last) < AGAIN) {
            self.asked_for = Some(asked);
            return;
        }
        let why = match self.server.patch.start(spec, self.leave) {
            Ok(()) | Err(PatchError::Known { .. } | PatchError::Begun { .. }) => String::new(),
            // Whether it was started after all is looked at next time.
            Err(e) => crate::chain(&e),
        };
        if !why.is_empty() {
            self.warn_once(format!("a transaction is asked for again: {why}"));
        }
        self.asked_for = Some(Asked {
            attempt,
            first,
            last: at,
            why,
        });
    }
}
