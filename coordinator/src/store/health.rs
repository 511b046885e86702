//! Whether the store takes writes: watched from outside, by the writes that are under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    KeyRange, KeyValue, Lease, LeaseId, RangePage, Revision, Store, StoreError, Txn, TxnResult,
    WatchStream,
};
use crate::clock::Clock;

/// A write on a healthy disk takes milliseconds.
const SLOW: Duration = Duration::from_secs(1);

/// What the last write said, and since when the oldest one under way waits.
#[derive(Debug, Default)]
pub struct StoreHealth {
    inner: Mutex<Inner>,
    transactions: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    waiting: BTreeMap<u64, Duration>,
    /// The error of the last write, until one succeeds; with when the failing began.
    failing: Option<(Duration, String)>,
}

impl StoreHealth {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, now: Duration) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        let ticket = inner.next;
        inner.waiting.insert(ticket, now);
        ticket
    }

    fn end(&self, ticket: u64, now: Duration, outcome: Outcome) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.lock();
        let began = inner.waiting.remove(&ticket).unwrap_or(now);
        let (since, why) = match outcome {
            Outcome::Written => {
                inner.failing = None;
                return;
            }
            Outcome::Refused(why) => (now, why),
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
enum Outcome {
    Written,
    Refused(String),
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
            Ok(_) => Outcome::Written,
            Err(e) => Outcome::Refused(e.to_string()),
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
