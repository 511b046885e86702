//! The calls that one connection has under way: how many it may have, and whether it is of any use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The calls of one connection.
#[derive(Debug)]
pub struct Calls {
    most: usize,
    open: AtomicUsize,
    begun: AtomicU64,
}

/// A call under way; over when it is dropped.
#[derive(Debug)]
pub struct Call(Arc<Calls>);

impl Calls {
    /// A connection that may have `most` calls under way at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
        })
    }

    /// Begins a call, if the connection may have another one.
    pub fn begin(self: &Arc<Self>) -> Option<Call> {
        let room = |open| (open < self.most).then_some(open + 1);
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        Some(Call(Arc::clone(self)))
    }

    /// How many calls it may have under way.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// How many were ever begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_so_many_calls_at_once_and_any_number_in_turn() {
        let calls = Calls::new(2);
        let (first, _second) = (calls.begin().expect("free"), calls.begin().expect("free"));
        assert!(calls.begin().is_none());
        drop(first);
        for _ in 0..10 {
            calls.begin().expect("one has ended");
        }
        assert_eq!(calls.begun(), 12);
        assert!(!calls.is_idle());
    }
}
