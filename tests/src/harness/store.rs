//! A store that can be made to fail: full, read-only, or not answering.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use h8lio_coordinator::store::{
    KeyRange, KeyValue, Lease, LeaseId, RangePage, Revision, Store, StoreError, Txn, TxnResult,
    WatchStream,
};
use tokio::sync::watch;

/// How writes go. Reading always works, as it does with SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Works,
    Full,
    ReadOnly,
    /// Writes wait until the mode changes.
    Stalls,
}

/// A store in front of another.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Mutex<Option<Arc<dyn Store>>>,
    mode: watch::Sender<Mode>,
}

const NAME: &str = "/var/lib/h8lio/coordinator.db";

impl FaultyStore {
    /// One that works.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner: Mutex::new(Some(inner)),
            mode: watch::Sender::new(Mode::Works),
        }
    }

    /// Changes how writes go, also for those that wait.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Lets go of the store behind it.
    pub fn close(&self) {
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn inner(&self) -> Result<Arc<dyn Store>, StoreError> {
        let inner = self
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        inner.ok_or_else(|| StoreError::Closed {
            store: NAME.to_owned(),
        })
    }

    async fn writing(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = NAME.to_owned();
        let mut mode = self.mode.subscribe();
        let mode = mode.wait_for(|m| *m != Mode::Stalls).await.map(|m| *m);
        match mode {
            Ok(Mode::Full) => Err(StoreError::Full { store }),
            Ok(Mode::ReadOnly) => Err(StoreError::ReadOnly { store }),
            Ok(Mode::Works | Mode::Stalls) => self.inner(),
            Err(_) => Err(StoreError::Closed { store }),
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner()?.revision().await
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        self.inner()?.get(key).await
    }

    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        self.inner()?.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        self.writing().await?.txn(txn).await
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        self.inner()?.watch(range, from).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.writing().await?.compact(upto).await
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.writing().await?.lease_grant(ttl).await
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        self.inner()?.lease_keep_alive(id).await
    }

    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.writing().await?.lease_revoke(id).await
    }

    async fn tick(&self) -> Result<(), StoreError> {
        self.inner()?.tick().await
    }
}
