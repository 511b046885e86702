//! The store on SQLite: one file, one coordinator.
//!
//! - **Writing** ([`writer`]): one thread owns the writing connection. Transactions wait in a
//!   bounded queue; all that wait go into one SQLite transaction, each in its own savepoint, and
//!   are answered after the one `COMMIT` (WAL, `synchronous=FULL`) that makes them durable.
//! - **Reading** ([`read`]): a few read-only connections, beside the writer.
//! - **Data** ([`schema`]): every change is a row of `log`, found by its revision; `live` points
//!   to the newest row of each key. Values are thus written once, and the history that watches
//!   resume from is the store itself.
//! - **Owner** ([`lock`]): a lock file keeps a second coordinator out.
//!
//! When the disk is full, read-only or failing, the group that could not be committed is rolled
//! back and each of its callers gets the error; reading goes on, and the next write tries again,
//! so that the store recovers by itself.

mod apply;
pub mod backup;
mod fault;
mod lock;
mod open;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use self::lock::OwnerLock;
use self::read::Reader;
use self::writer::{Done, Job, Work, Writer};
use super::check;
use super::error::StoreError;
use super::key::{KeyRange, KeyValue, LeaseId, Revision};
use super::lease::{LeaseTable, round_ttl};
use super::txn::{Txn, TxnResult};
use super::watch::{History, WatchStream};
use super::{Lease, RangePage, Store};
use crate::clock::Clock;

pub use self::writer::WriterStats;

/// Transactions that may wait for the writer; further callers wait for their turn to wait.
const QUEUE: usize = 1024;

/// How a store is kept.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Revisions of history kept for watches, at least. Default 10,000.
    pub history: u64,
    /// Most bytes the database file may grow to; none by default. Reaching it is
    /// [`StoreError::Full`].
    pub max_bytes: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            history: 10_000,
            max_bytes: None,
        }
    }
}

/// A store in a SQLite file. Dropping it finishes what was handed over and frees the file.
pub struct SqliteStore {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    reader: Arc<Reader>,
    head: watch::Receiver<Revision>,
    leases: Arc<Mutex<LeaseTable>>,
    stats: Arc<WriterStats>,
    clock: Arc<dyn Clock>,
    /// Released last.
    _lock: OwnerLock,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore")
            .field(&self.reader.name())
            .finish()
    }
}

impl SqliteStore {
    /// Opens the store at `path`, creating the file (mode 0600) if there is none, checks it and
    /// brings it to the present format. Blocks; the directory must exist.
    ///
    /// # Errors
    /// `Locked`, `Corrupt`, `Foreign`, `Newer`, `ReadOnly`, `Full`, `Open`, `Io`.
    pub fn open(
        path: &Path,
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let path = &lock::true_path(path)?;
        let lock = OwnerLock::take(path)?;
        let opened = open::open(path, options)?;
        let mut leases = LeaseTable::default();
        for (id, ttl) in opened.leases {
            leases.insert(id, ttl, clock.mono());
        }
        let leases = Arc::new(Mutex::new(leases));
        let stats = Arc::new(WriterStats::default());
        let (head_tx, head) = watch::channel(opened.revision);
        let (queue, jobs) = mpsc::channel(QUEUE);
        let writer = Writer {
            path: path.to_owned(),
            options,
            conn: Some(opened.conn),
            head: head_tx,
            leases: leases.clone(),
            clock: clock.clone(),
            stats: stats.clone(),
            failing: None,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(jobs))
            .map_err(|e| fault::io(path, &e))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            reader: Arc::new(Reader::new(path)),
            head,
            leases,
            stats,
            clock,
            _lock: lock,
        })
    }

    /// Counters of the writer.
    pub fn stats(&self) -> &WriterStats {
        &self.stats
    }

    /// Hands `work` to the writer and waits until it is durable or refused.
    async fn write(&self, work: Work) -> Result<Done, StoreError> {
        let (reply, answer) = oneshot::channel();
        let Some(queue) = &self.queue else {
            return Err(self.reader.closed());
        };
        let sent = queue.send(Job { work, reply }).await;
        sent.map_err(|_| self.reader.closed())?;
        answer.await.map_err(|_| self.reader.closed())?
    }

    fn leases(&self) -> std::sync::MutexGuard<'_, LeaseTable> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has been printed; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(*self.head.borrow())
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        check::check_key(key)?;
        let key = key.to_owned();
        self.reader.run(move |conn| read::get(conn, &key)).await
    }

    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        self.reader
            .run(move |conn| read::range(conn, &range, limit))
            .await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        check::txn(&txn)?;
        match self.write(Work::Txn(txn)).await? {
            Done::Txn(result) => Ok(result),
            Done::Granted(_) | Done::Nothing => Err(self.reader.closed()),
        }
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        super::watch::open(self.reader.clone(), self.head.clone(), range, from).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.write(Work::Compact(upto)).await.map(drop)
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let ttl = round_ttl(ttl);
        match self.write(Work::Grant(ttl)).await? {
            Done::Granted(id) => Ok(Lease { id, ttl }),
            Done::Txn(_) | Done::Nothing => Err(self.reader.closed()),
        }
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        let now = self.clock.mono();
        self.leases().keep_alive(id, now)
    }

    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.write(Work::EndLease(id)).await.map(drop)
    }

    async fn tick(&self) -> Result<(), StoreError> {
        let now = self.clock.mono();
        let expired = self.leases().take_expired(now);
        let ends = expired.into_iter().map(|id| self.lease_revoke(id));
        for end in futures::future::join_all(ends).await {
            match end {
                // Somebody revoked it meanwhile.
                Ok(()) | Err(StoreError::LeaseNotFound { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
