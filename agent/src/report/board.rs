//! Conditions that the agent itself raises, beside those that collectors find on the server.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use h8lio_model::condition::{Condition, ConditionType, Status};
use jiff::Timestamp;
use tokio::sync::watch;

type Key = (ConditionType, String);

/// One board, written by every part of the agent and read by the reporter.
#[derive(Debug)]
pub struct Board {
    raised: Mutex<BTreeMap<Key, Condition>>,
    changes: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            raised: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Board {
    /// Raises a condition. One that stands with the same reason and message keeps its age.
    pub fn raise(
        &self,
        kind: ConditionType,
        subject: &str,
        reason: &str,
        message: impl Into<String>,
        now: Timestamp,
    ) {
        let new = Condition {
            kind,
            status: Status::True,
            reason: reason.to_owned(),
            subject: subject.to_owned(),
            message: message.into(),
            since: now,
            observed_at: now,
        };
        let mut raised = self.lock();
        let key = (kind, subject.to_owned());
        let stands = raised
            .get(&key)
            .is_some_and(|c| c.reason == new.reason && c.message == new.message);
        if !stands {
            raised.insert(key, new);
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Takes a condition back.
    pub fn clear(&self, kind: ConditionType, subject: &str) {
        if self.lock().remove(&(kind, subject.to_owned())).is_some() {
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Everything that stands, sorted by key.
    pub fn standing(&self) -> Vec<Condition> {
        self.lock().values().cloned().collect()
    }

    /// Follows changes.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Condition>> {
        // Each change is one map operation, so a panic elsewhere leaves the map whole.
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
