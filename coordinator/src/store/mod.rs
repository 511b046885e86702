//! The coordinator's memory: a small ordered key-value store with revisions.
//!
//! [`Store`] is modelled on etcd, so that an etcd cluster can stand behind it for several
//! coordinators. [`memory::MemoryStore`] is the executable specification,
//! [`sqlite::SqliteStore`] the default for one coordinator; `contract` is the suite that every
//! backend passes. Only transitions are stored: heartbeats and readings never come here.
//!
//! # The model
//! - Keys are UTF-8 and ordered by their bytes. Values are opaque bytes.
//! - The store has one [`Revision`]. A transaction that changes at least one key raises it by
//!   exactly one; all its changes carry that revision. Reading, a failed comparison without
//!   changes in its failure branch, deleting what is not there, and granting a lease leave it
//!   alone.
//! - A transaction is all or nothing, and transactions happen one after the other. Its answer
//!   comes only when it is durable. Reads see everything answered before they were asked.
//! - Time is not part of it but for leases, whose deadlines come from the injected clock.

mod check;
#[cfg(test)]
mod contract;
mod error;
pub mod health;
mod key;
mod lease;
pub mod memory;
pub mod sqlite;
mod txn;
mod watch;

use std::time::Duration;

use async_trait::async_trait;

pub use check::{MAX_KEY_BYTES, MAX_OPS, MAX_TXN_BYTES, MAX_VALUE_BYTES};
pub use error::{ErrorClass, StoreError};
pub use key::{KeyRange, KeyValue, LeaseId, Revision};
pub use txn::{Compare, CompareOp, Op, OpResponse, Target, Txn, TxnResult};
pub use watch::{WatchBatch, WatchEvent, WatchStream};

/// A page of [`Store::range`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangePage {
    /// In key order.
    pub items: Vec<KeyValue>,
    /// Whether keys of the range are left behind the last item.
    pub more: bool,
    /// The store's revision when the page was read.
    pub revision: Revision,
}

/// A lease as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub id: LeaseId,
    /// Whole seconds, at least what was asked for.
    pub ttl: Duration,
}

/// A store. See the module for what every backend promises.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The revision of the last change; 1 in a new store.
    async fn revision(&self) -> Result<Revision, StoreError>;

    /// The key as it is now.
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError>;

    /// The first `limit` (at least one) keys of `range` as they are now.
    ///
    /// Pages of one listing may come from different revisions: to be exact, watch from the first
    /// page's revision + 1 and apply what comes on top; [`list`] says how to go on after a page.
    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError>;

    /// Runs a transaction: if all its comparisons hold its `success` operations, else its
    /// `failure` operations, in order, each seeing what the ones before it did.
    ///
    /// # Errors
    /// On an error nothing was changed, with one exception that no store can exclude: after
    /// [`StoreError::Io`] and [`StoreError::Unavailable`] the change may turn out to have been
    /// made. Callers that retry therefore compare. Dropping the future does not stop a
    /// transaction that has been handed over.
    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError>;

    /// Changes of keys in `range` at revision `from` and later, in order, none left out.
    /// `Revision(0)` means from the next change on; a `from` in the future is waited for.
    ///
    /// The stream ends after its first error. A watcher that is too slow loses nothing silently:
    /// it gets [`StoreError::Compacted`] when the history it needs is gone, and lists again.
    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError>;

    /// Forgets the history up to and including `upto` (at most the present revision): no watch
    /// can start there any more. Present keys are untouched. Doing it again is harmless.
    async fn compact(&self, upto: Revision) -> Result<(), StoreError>;

    /// Grants a lease. `ttl` is rounded up to whole seconds, at least one. Ids are never used
    /// twice. Does not change the revision.
    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError>;

    /// Starts the lease's time anew and answers its length. Nothing is written.
    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError>;

    /// Ends the lease and deletes its keys, in one transaction.
    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError>;

    /// Ends every lease whose time is over. The owner of the store calls it about every second;
    /// a backend whose server does this itself does nothing.
    async fn tick(&self) -> Result<(), StoreError>;
}

/// Reads all of `range`, page by page, and answers the items with the revision of the *first*
/// page: a watch from the one after it misses nothing.
pub async fn list(
    store: &dyn Store,
    range: KeyRange,
) -> Result<(Vec<KeyValue>, Revision), StoreError> {
    const PAGE: usize = 512;
    let mut page = store.range(range.clone(), PAGE).await?;
    let revision = page.revision;
    let mut items = std::mem::take(&mut page.items);
    while page.more {
        let Some(last) = items.last() else { break };
        page = store.range(range.after(&last.key), PAGE).await?;
        items.append(&mut page.items);
    }
    Ok((items, revision))
}
