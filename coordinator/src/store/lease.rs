//! The deadlines of leases, kept in memory: how long a lease has left is nothing that a store
//! writes down. After a start every lease has its full time again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::StoreError;
use super::key::LeaseId;

/// Whole seconds, at least one.
pub(super) fn round_ttl(ttl: Duration) -> Duration {
    let up = u64::from(ttl.subsec_nanos() > 0);
    Duration::from_secs(ttl.as_secs().saturating_add(up).max(1))
}

#[derive(Debug, Clone, Copy)]
struct Held {
    ttl: Duration,
    /// By the injected clock's `mono`.
    deadline: Duration,
    /// It is being ended: from now on it cannot be kept alive, not even by a caller who looked at
    /// the clock before, or a holder could believe in a lease whose keys are being deleted.
    ending: bool,
}

/// Leases with their deadlines.
#[derive(Debug, Default)]
pub(super) struct LeaseTable(BTreeMap<LeaseId, Held>);

impl LeaseTable {
    pub(super) fn insert(&mut self, id: LeaseId, ttl: Duration, now: Duration) {
        let held = Held {
            ttl,
            deadline: now.saturating_add(ttl),
            ending: false,
        };
        self.0.insert(id, held);
    }

    #[cfg(test)]
    pub(super) fn restart(&mut self, now: Duration) {
        for (id, held) in std::mem::take(&mut self.0) {
            self.insert(id, held.ttl, now);
        }
    }

    pub(super) fn contains(&self, id: LeaseId) -> bool {
        self.0.contains_key(&id)
    }

    pub(super) fn remove(&mut self, id: LeaseId) -> bool {
        self.0.remove(&id).is_some()
    }

    pub(super) fn keep_alive(
        &mut self,
        id: LeaseId,
        now: Duration,
    ) -> Result<Duration, StoreError> {
        match self.0.get_mut(&id) {
            Some(h) if !h.ending && now < h.deadline => {
                h.deadline = now.saturating_add(h.ttl);
                Ok(h.ttl)
            }
            _ => Err(StoreError::LeaseNotFound { id }),
        }
    }

    /// Marks the leases whose time is over and answers them, also those of an earlier call that
    /// could not be ended yet.
    pub(super) fn take_expired(&mut self, now: Duration) -> Vec<LeaseId> {
        let mut expired = Vec::new();
        for (id, h) in &mut self.0 {
            if h.ending || now >= h.deadline {
                h.ending = true;
                expired.push(*id);
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_being_ended_cannot_be_kept_alive_by_a_caller_who_looked_at_the_clock_before() {
        let second = Duration::from_secs;
        let mut leases = LeaseTable::default();
        let id = LeaseId(1);
        leases.insert(id, second(10), second(0));
        assert_eq!(leases.take_expired(second(9)), []);
        assert_eq!(leases.take_expired(second(10)), [id]);
        let late = leases.keep_alive(id, second(9));
        assert_eq!(late, Err(StoreError::LeaseNotFound { id }));
        assert_eq!(
            leases.take_expired(second(10)),
            [id],
            "until it has been ended"
        );
    }

    #[test]
    fn times_are_rounded_up_to_whole_seconds() {
        for (ms, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (60_000, 60)] {
            let ttl = round_ttl(Duration::from_millis(ms));
            assert_eq!(ttl, Duration::from_secs(seconds), "{ms} ms");
        }
        assert_eq!(round_ttl(Duration::MAX), Duration::from_secs(u64::MAX));
    }
}
