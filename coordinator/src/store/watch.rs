//! Watches: every backend with a readable history gets its streams from here.
//!
//! A stream is level-triggered. It holds no queue: it waits until the store's revision has
//! reached what it wants next, reads the history from there, and goes on. A slow watcher thus
//! costs nothing and loses nothing, until the history that it needs is compacted.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use tokio::sync::watch;

use super::error::StoreError;
use super::key::{KeyRange, KeyValue, Revision};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    Put(KeyValue),
    Delete { key: String, mod_revision: Revision },
}

impl WatchEvent {
    pub fn key(&self) -> &str {
        match self {
            Self::Put(kv) => &kv.key,
            Self::Delete { key, .. } => key,
        }
    }

    pub const fn mod_revision(&self) -> Revision {
        match self {
            Self::Put(kv) => kv.mod_revision,
            Self::Delete { mod_revision, .. } => *mod_revision,
        }
    }
}

/// Changes of one or more whole revisions, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchBatch {
    /// All changes up to here have been delivered: resume at the one after it.
    pub revision: Revision,
    pub events: Vec<WatchEvent>,
}

/// Batches without an end; after an error nothing follows.
pub type WatchStream = BoxStream<'static, Result<WatchBatch, StoreError>>;

/// A history that can be read.
#[async_trait]
pub(super) trait History: Send + Sync + 'static {
    /// Changes in `range` from `from` (at least 1) on: whole revisions, some of them, in order.
    /// The answer's revision says how far it reaches, at least `from` if the store is there.
    async fn since(&self, range: &KeyRange, from: Revision) -> Result<WatchBatch, StoreError>;

    /// What to say when the store goes away.
    fn closed(&self) -> StoreError;
}

struct Watcher<H> {
    history: Arc<H>,
    /// The revision up to which transactions have been answered.
    head: watch::Receiver<Revision>,
    range: KeyRange,
    next: Revision,
}

/// A stream of changes in `range` from `from` on.
pub(super) async fn open<H: History>(
    history: Arc<H>,
    mut head: watch::Receiver<Revision>,
    range: KeyRange,
    from: Revision,
) -> Result<WatchStream, StoreError> {
    let now = *head.borrow_and_update();
    let next = if from == Revision(0) {
        now.next()
    } else {
        from
    };
    if next <= now {
        // Says at once when the history is gone.
        history.since(&KeyRange::span("", ""), next).await?;
    }
    let watcher = Watcher {
        history,
        head,
        range,
        next,
    };
    Ok(Box::pin(stream::unfold(Some(watcher), |w| async move {
        let mut w = w?;
        match w.batch().await {
            Ok(batch) => Some((Ok(batch), Some(w))),
            Err(e) => Some((Err(e), None)),
        }
    })))
}

impl<H: History> Watcher<H> {
    /// Waits for the next changes. Cancel-safe: `next` moves only when a page has been read.
    async fn batch(&mut self) -> Result<WatchBatch, StoreError> {
        loop {
            let next = self.next;
            let reached = self.head.wait_for(|head| *head >= next).await.is_ok();
            if !reached {
                return Err(self.history.closed());
            }
            let page = self.history.since(&self.range, next).await?;
            self.next = page.revision.next().max(next);
            if !page.events.is_empty() {
                return Ok(page);
            }
        }
    }
}
