//! The fleet's events: a gapless sequence in the store that people and programs follow.
//!
//! Events are appended in order, in as few transactions as the store allows, and the oldest are
//! dropped when there are more than the retention says. The sequence never starts anew.

mod follow;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use h8lio_model::event::{Event, Severity};
use h8lio_model::ids::NodeId;
use jiff::Timestamp;

use self::follow::Follower;
use self::writer::EventWriter;
use crate::lane::Lane;
use crate::store::{KeyRange, KeyValue, Store, StoreError};

const HEAD: &str = "/h8lio/event/head";
const ENTRIES: &str = "/h8lio/event/entry/";
/// Events in one transaction; with the head and the deletion of old ones it stays below
/// [`crate::store::MAX_OPS`].
const CHUNK: usize = 100;
/// Bytes of an event's message, and of its other texts; longer ones are cut, for an alert that is
/// cut is better than none. Even with every byte escaped in JSON, [`CHUNK`] events fit one
/// transaction.
const MAX_MESSAGE: usize = 1_500;
const MAX_NAME: usize = 128;
/// Events read from the store at a time.
const PAGE: usize = 512;

/// Why events could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    #[error("cannot read or write the events")]
    Store(#[source] StoreError),
    #[error("events up to {} are no longer kept; follow from {oldest}", .oldest - 1)]
    Gone { from: u64, oldest: u64 },
    #[error("{key} does not hold what an event log writes ({detail}); restore a backup")]
    Damaged { key: String, detail: String },
}

/// An event before it has its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    pub at: Timestamp,
    pub severity: Severity,
    /// CamelCase word for programs.
    pub reason: String,
    pub node: Option<NodeId>,
    pub node_name: Option<String>,
    /// One sentence.
    pub message: String,
}

impl EventDraft {
    fn place(self, seq: u64) -> Event {
        Event {
            seq,
            at: self.at,
            severity: self.severity,
            reason: cut(self.reason, MAX_NAME),
            node: self.node,
            node_name: self.node_name.map(|n| cut(n, MAX_NAME)),
            message: cut(self.message, MAX_MESSAGE),
        }
    }
}

/// Which events to show; the default shows all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventFilter {
    pub node: Option<NodeId>,
    /// This severity and above.
    pub at_least: Option<Severity>,
}

impl EventFilter {
    pub fn shows(&self, event: &Event) -> bool {
        self.node.is_none_or(|node| event.node == Some(node))
            && self.at_least.is_none_or(|least| event.severity >= least)
    }
}

/// The log. Clones share one line of writers.
#[derive(Debug, Clone)]
pub struct EventLog {
    store: Arc<dyn Store>,
    lane: Lane<Vec<EventDraft>, Result<u64, EventsError>>,
}

impl EventLog {
    /// A log that keeps the last `keep` (at least one) events. Must be called inside a Tokio
    /// runtime: what is appended at the same time is written together, by a task that ends with
    /// the last clone.
    pub fn new(store: Arc<dyn Store>, keep: u64) -> Self {
        let writer = EventWriter {
            store: store.clone(),
            keep: keep.max(1),
            last: None,
        };
        Self {
            store,
            lane: Lane::spawn(writer),
        }
    }

    /// Appends `drafts` in order and answers the sequence number of the last of them (0 when
    /// there is none). Many at once go in several transactions; on an error a beginning may be
    /// written. What was handed over is written even if this future is dropped.
    pub async fn append(&self, drafts: Vec<EventDraft>) -> Result<u64, EventsError> {
        if drafts.is_empty() {
            return Ok(0);
        }
        let closed = || {
            let store = "of events".to_owned();
            EventsError::Store(StoreError::Closed { store })
        };
        self.lane
            .send(drafts)
            .await
            .unwrap_or_else(|| Err(closed()))
    }

    /// The first `limit` events from sequence number `from` on that `filter` shows. A `from` that
    /// is no longer kept starts with the oldest there is.
    pub async fn list(
        &self,
        from: u64,
        limit: usize,
        filter: EventFilter,
    ) -> Result<Vec<Event>, EventsError> {
        let mut out = Vec::new();
        let mut range = entries_from(from);
        loop {
            let page = self
                .store
                .range(range, PAGE)
                .await
                .map_err(EventsError::Store)?;
            let Some(last) = page.items.last().map(|kv| kv.key.clone()) else {
                return Ok(out);
            };
            for kv in &page.items {
                if out.len() >= limit {
                    return Ok(out);
                }
                let event = decode(kv)?;
                if filter.shows(&event) {
                    out.push(event);
                }
            }
            if !page.more {
                return Ok(out);
            }
            range = entries_from(0).after(&last);
        }
    }

    /// The last `limit` events that `filter` shows, oldest first.
    pub async fn last(&self, limit: usize, filter: EventFilter) -> Result<Vec<Event>, EventsError> {
        let mut to = head(&*self.store).await? + 1;
        let mut out: Vec<Event> = Vec::new();
        while out.len() < limit && to > 1 {
            let from = to.saturating_sub(PAGE as u64).max(1);
            let span = KeyRange::span(entry_key(from), entry_key(to));
            let page = self
                .store
                .range(span, PAGE)
                .await
                .map_err(EventsError::Store)?;
            if page.items.is_empty() {
                break;
            }
            for kv in page.items.iter().rev() {
                let event = decode(kv)?;
                if filter.shows(&event) && out.len() < limit {
                    out.push(event);
                }
            }
            to = from;
        }
        out.reverse();
        Ok(out)
    }

    /// Events from sequence number `from` (at least 1) on, without an end and without a gap. The
    /// stream ends after its first error; [`EventsError::Gone`] says where to begin again.
    pub fn follow(&self, from: u64) -> BoxStream<'static, Result<Event, EventsError>> {
        let follower = Follower::new(self.store.clone(), from);
        Box::pin(stream::unfold(Some(follower), |f| async move {
            let mut f = f?;
            match f.event().await {
                Ok(event) => Some((Ok(event), Some(f))),
                Err(e) => Some((Err(e), None)),
            }
        }))
    }
}

/// The last sequence number written.
async fn head(store: &dyn Store) -> Result<u64, EventsError> {
    let head = store.get(HEAD).await.map_err(EventsError::Store)?;
    head.as_ref().map_or(Ok(0), seq_of)
}

fn entry_key(seq: u64) -> String {
    format!("{ENTRIES}{seq:020}")
}

fn entries_from(seq: u64) -> KeyRange {
    let end = KeyRange::prefix(ENTRIES);
    KeyRange::span(entry_key(seq), end.end().unwrap_or_default())
}

fn encode(event: &Event) -> Bytes {
    // Strings, numbers and enums: this form always exists.
    serde_json::to_vec(event).unwrap_or_default().into()
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
}

fn decode(kv: &KeyValue) -> Result<Event, EventsError> {
    serde_json::from_slice(&kv.value).map_err(|e| damaged(kv, e.to_string()))
}

fn seq_of(kv: &KeyValue) -> Result<u64, EventsError> {
    let text = String::from_utf8_lossy(&kv.value);
    text.parse()
        .map_err(|_| damaged(kv, format!("not a number: {text}")))
}

fn damaged(kv: &KeyValue, detail: String) -> EventsError {
    let key = kv.key.clone();
    EventsError::Damaged { key, detail }
}
