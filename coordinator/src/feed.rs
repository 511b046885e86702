//! From the coordinator's parts to the event log: a bounded queue and one writer, so that nothing
//! that notices something ever waits for the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeId, NodeName};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::events::{EventDraft, EventLog};

/// Events that may wait for the store. 10,000 nodes changing at once fit.
const CAPACITY: usize = 32_768;

/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where events are handed in.
#[derive(Debug)]
pub struct Feed {
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<EventDraft>,
    /// The writer has a batch in hand.
    writing: bool,
    /// Events that found no place since the last write; told in one event of their own.
    dropped: u64,
}

impl Feed {
    /// An empty feed.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            queue: Mutex::default(),
            wake: Notify::new(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in an event of the fleet.
    pub fn fleet(&self, severity: Severity, reason: &str, message: String) {
        self.push(EventDraft {
            at: self.clock.now(),
            severity,
            reason: reason.to_owned(),
            node: None,
            node_name: None,
            message,
        });
    }

    /// Hands in an event of a node.
    pub fn node(
        &self,
        severity: Severity,
        reason: &str,
        node: NodeId,
        name: &NodeName,
        message: String,
    ) {
        self.push(EventDraft {
            at: self.clock.now(),
            severity,
            reason: reason.to_owned(),
            node: Some(node),
            node_name: Some(name.to_string()),
            message,
        });
    }

    fn push(&self, draft: EventDraft) {
        if draft.severity == Severity::Alert {
            tracing::warn!(reason = draft.reason, "{}", draft.message);
        } else {
            tracing::info!(reason = draft.reason, "{}", draft.message);
        }
        let mut queue = self.lock();
        if queue.waiting.len() >= CAPACITY {
            queue.dropped += 1;
        } else {
            queue.waiting.push_back(draft);
        }
        drop(queue);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<EventDraft> {
        let mut queue = self.lock();
        let mut batch: Vec<EventDraft> = queue.waiting.drain(..).collect();
        let dropped = std::mem::take(&mut queue.dropped);
        queue.writing = !batch.is_empty() || dropped > 0;
        drop(queue);
        if dropped > 0 {
            batch.push(EventDraft {
                at: self.clock.now(),
                severity: Severity::Alert,
                reason: "EventsDropped".to_owned(),
                node: None,
                node_name: None,
                message: format!(
                    "{dropped} events were dropped because the store was too slow to take them; the inventory itself is complete"
                ),
            });
        }
        batch
    }

    /// What was handed in and is not written yet.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> Vec<EventDraft> {
        self.lock().waiting.iter().cloned().collect()
    }

    fn is_empty(&self) -> bool {
        let queue = self.lock();
        queue.waiting.is_empty() && !queue.writing
    }

    /// Waits until all that was handed in is written, for at most `within`.
    pub async fn flushed(&self, within: Duration) -> bool {
        let step = Duration::from_millis(10);
        let mut left = within;
        loop {
            let done = self.is_empty();
            if done || left.is_zero() {
                return done;
            }
            tokio::time::sleep(step).await;
            left = left.saturating_sub(step);
        }
    }

    /// Writes events until dropped. A store that refuses is tried again; what waits stays in
    /// order.
    pub async fn run(self: Arc<Self>, log: EventLog) {
        loop {
            self.wake.notified().await;
            let mut batch = self.take();
            while !batch.is_empty() {
                match log.append(batch.clone()).await {
                    Ok(_) => {
                        batch.clear();
                        self.lock().writing = false;
                    }
                    Err(error) => {
                        // A prefix may have been written: an event told twice is better than one
                        // never told.
                        tracing::warn!(%error, waiting = batch.len(), "cannot write events; trying again");
                        tokio::time::sleep(RETRY).await;
                        if batch.len() < CAPACITY {
                            batch.extend(self.take());
                        }
                    }
                }
            }
        }
    }
}
