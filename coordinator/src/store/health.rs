//! Whether the store takes writes: watched from outside, by the writes that are under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    KeyRange, KeyValue, Lease, LeaseId, RangePage, Revision, Store, StoreError, Txn, TxnResult,
    WatchStream,
};
use crate::clock::Clock;

/// A write on a healthy disk takes milliseconds.
const SLOW: Duration = Duration::from_secs(1);

/// What the last write said, and since when the oldest one under way waits.
///
/// A store that nobody writes to may have stalled without anybody noticing. Whoever is about to
/// decide something that needs it asks for a write ([`StoreHealth::doubt`]) and looks whether one
/// was answered lately: that costs nothing while all is quiet.
#[derive(Debug, Default)]
pub struct StoreHealth {
    inner: Mutex<Inner>,
    doubted: AtomicBool,
    wake: Notify,
    transactions: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    waiting: BTreeMap<u64, Duration>,
    /// When a write was answered last.
    answered: Option<Duration>,
    /// The error of the last write, until one succeeds; with when the failing began.
    failing: Option<(Duration, String)>,
}

impl StoreHealth {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write begins; the answer is for [`StoreHealth::end`].
    pub(crate) fn begin(&self, now: Duration) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        let ticket = inner.next;
        inner.waiting.insert(ticket, now);
        ticket
    }

    /// A write came to an end.
    pub(crate) fn end(&self, ticket: u64, now: Duration, outcome: Outcome) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.lock();
        let began = inner.waiting.remove(&ticket).unwrap_or(now);
        let (since, why) = match outcome {
            Outcome::Answered => {
                inner.failing = None;
                inner.answered = Some(now);
                return;
            }
            Outcome::Failed(why) => (now, why),
            // A caller may leave for reasons of its own; one that waited long did not.
            Outcome::GivenUp if now.saturating_sub(began) < SLOW => return,
            Outcome::GivenUp => (began, "the store does not answer writes".to_owned()),
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        let since = inner.failing.as_ref().map_or(since, |f| f.0.min(since));
        inner.failing = Some((since, why));
    }

    /// For how long the oldest write under way has waited, or writes have been failing.
    pub fn stalled_for(&self, now: Duration) -> Duration {
        let inner = self.lock();
        let oldest = inner.waiting.values().next().copied();
        let failing = inner.failing.as_ref().map(|f| f.0);
        let since = [oldest, failing].into_iter().flatten().min();
        since.map_or(Duration::ZERO, |s| now.saturating_sub(s))
    }

    /// Whether a write was answered within the last `time` before `now`.
    pub fn answered_within(&self, time: Duration, now: Duration) -> bool {
        let answered = self.lock().answered;
        answered.is_some_and(|at| now.saturating_sub(at) <= time)
    }

    /// Asks for a write that shows whether the store still takes them.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Whether somebody has asked since the last time.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }

    /// Waits until somebody asks. Cancel-safe: what was asked stays asked.
    pub async fn doubted(&self) {
        while !self.take_doubt() {
            self.wake.notified().await;
        }
    }

    /// What is wrong with writes at `now`, in a few words.
    pub fn trouble(&self, now: Duration) -> Option<String> {
        let stalled = self.stalled_for(now);
        let waits = || format!("a write has waited for {} s", stalled.as_secs());
        self.failure().or_else(|| (stalled >= SLOW).then(waits))
    }

    /// Why writes fail, if the last one did.
    pub fn failure(&self) -> Option<String> {
        self.lock().failing.as_ref().map(|f| f.1.clone())
    }

    /// Transactions answered, and how many of them with an error.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.transactions.load(Ordering::Relaxed),
            self.failures.load(Ordering::Relaxed),
        )
    }
}

/// A store whose writes are watched.
#[derive(Debug)]
pub struct WatchedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    health: Arc<StoreHealth>,
}

impl WatchedStore {
    /// Watches `inner`.
    pub fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            health: Arc::default(),
        }
    }

    /// What is known of its writes.
    pub fn health(&self) -> Arc<StoreHealth> {
        Arc::clone(&self.health)
    }
}

/// Ends the ticket also when the waiting future is dropped.
struct Ticket<'a> {
    store: &'a WatchedStore,
    ticket: u64,
    outcome: Outcome,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Done, or refused for what it asked for: the store is well.
    Answered,
    Failed(String),
    /// Its caller stopped waiting: whether the store writes is not known.
    GivenUp,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::GivenUp);
        self.store
            .health
            .end(self.ticket, self.store.clock.mono(), outcome);
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision().await
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        self.inner.get(key).await
    }

    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        self.inner.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        let ticket = self.health.begin(self.clock.mono());
        let mut ticket = Ticket {
            store: self,
            ticket,
            outcome: Outcome::GivenUp,
        };
        let result = self.inner.txn(txn).await;
        ticket.outcome = match &result {
            Err(e) if !e.is_callers_fault() => Outcome::Failed(e.to_string()),
            Ok(_) | Err(_) => Outcome::Answered,
        };
        result
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        self.inner.watch(range, from).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.inner.compact(upto).await
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.lease_grant(ttl).await
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        self.inner.lease_keep_alive(id).await
    }

    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.inner.lease_revoke(id).await
    }

    async fn tick(&self) -> Result<(), StoreError> {
        self.inner.tick().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_write_that_waits_is_a_stall_until_it_is_answered() {
        let health = StoreHealth::default();
        let write = health.begin(at(10));
        assert_eq!(health.stalled_for(at(15)), at(5));
        health.end(write, at(16), Outcome::Answered);
        assert_eq!(
            (health.stalled_for(at(17)), health.failure()),
            (at(0), None)
        );
    }

    #[test]
    fn a_stall_does_not_end_with_the_patience_of_its_caller() {
        let health = StoreHealth::default();
        let write = health.begin(at(10));
        health.end(write, at(15), Outcome::GivenUp);
        assert_eq!(health.stalled_for(at(16)), at(6));
        assert!(health.failure().is_some());
        let probe = health.begin(at(16));
        health.end(probe, at(16), Outcome::Answered);
        assert_eq!(
            (health.stalled_for(at(17)), health.failure()),
            (at(0), None)
        );
    }

    #[test]
    fn a_caller_that_leaves_at_once_says_nothing_about_the_store() {
        let health = StoreHealth::default();
        let write = health.begin(at(10));
        health.end(write, at(10), Outcome::GivenUp);
        assert_eq!(
            (health.stalled_for(at(90)), health.failure()),
            (at(0), None)
        );
    }

    #[test]
    fn only_an_answer_proves_that_the_store_writes() {
        let health = StoreHealth::default();
        assert!(!health.answered_within(at(90), at(10)), "never yet");
        let write = health.begin(at(10));
        assert!(!health.answered_within(at(5), at(11)));
        assert_eq!(health.trouble(at(10)), None);
        let waits = "a write has waited for 2 s".to_owned();
        assert_eq!(health.trouble(at(12)), Some(waits));
        health.end(write, at(12), Outcome::Answered);
        assert!(health.answered_within(at(5), at(17)));
        assert!(!health.answered_within(at(5), at(18)));
        for outcome in [Outcome::Failed("full".to_owned()), Outcome::GivenUp] {
            let write = health.begin(at(30));
            health.end(write, at(30), outcome);
            assert!(!health.answered_within(at(5), at(31)));
        }
    }

    #[test]
    fn failing_counts_from_the_first_failure() {
        let health = StoreHealth::default();
        for second in [10, 20] {
            let write = health.begin(at(second));
            health.end(write, at(second), Outcome::Failed("full".to_owned()));
        }
        assert_eq!(health.stalled_for(at(25)), at(15));
        assert_eq!(health.counts(), (2, 2));
    }
}
