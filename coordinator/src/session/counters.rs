//! What the sessions count, for the metrics.

use std::sync::atomic::AtomicU64;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Beats received.
    pub beats: AtomicU64,
}
