//! What the repositories offer is asked anew before it is decided by it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Now, Walker};

/// An index that was fetched a moment ago says the same.
const NEW: SignedDuration = SignedDuration::from_hours(1);

/// So long a fetch is waited for between two tries within one attempt.
const AGAIN: Duration = Duration::from_secs(10 * 60);

impl Walker {
    /// Fetches the index, where it is older than an hour. One that cannot be fetched is no reason to
    /// refuse: the planner takes none that is older than a day, and apt is asked for what it knows.
    pub(super) fn fetch_index(&mut self, now: &Now) {
        let age = self.server.patch.index_updated_at();
        let age = age.map(|at| now.moment.wall.duration_since(at));
        let is_new = age.is_some_and(|age| age.abs() < NEW);
        let steady = now.moment.steady;
        let tried = self
            .fetched
            .is_some_and(|at| steady.saturating_sub(at) < AGAIN);
        if is_new || tried {
            return;
        }
        self.fetched = Some(steady);
        if let Err(e) = self.server.patch.refresh(self.leave) {
            self.warn_once(format!(
                "the package index could not be fetched anew before an attempt: {}",
                crate::chain(&e)
            ));
        }
    }
}
