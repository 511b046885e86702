//! Numbers about connections, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Reason;

/// Plain counters; they only go up, except the two gauges.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    resumed: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    pending: AtomicU64,
    open: AtomicU64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections that became callers.
    pub accepted: u64,
    /// Those of them that resumed an earlier TLS session.
    pub resumed: u64,
    /// Connections that did not, by reason, in the order of [`Reason::ALL`].
    pub refused: Vec<(Reason, u64)>,
    /// Handshakes in progress.
    pub pending: u64,
    /// Connections open.
    pub open: u64,
}

impl Counters {
    /// Reads all.
    pub fn snapshot(&self) -> Snapshot {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Snapshot {
            accepted: read(&self.accepted),
            resumed: read(&self.resumed),
            refused: Reason::ALL
                .into_iter()
                .map(|r| (r, self.refused(r)))
                .collect(),
            pending: read(&self.pending),
            open: read(&self.open),
        }
    }

    /// How often connections were refused for one reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_accepted(&self, resumed: bool) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.resumed
            .fetch_add(u64::from(resumed), Ordering::Relaxed);
    }

    pub(super) fn set_pending(&self, pending: usize) {
        self.pending.store(pending as u64, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
