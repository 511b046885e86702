//! The audit log: every mutating call, chained by hashes, written in the same transaction as its
//! effect. What cannot be recorded is not done, and what is done is recorded.
//!
//! **Secrets never enter.** The log is read by many, kept for ever, and its hashes forbid taking
//! anything out again. Callers put into [`AuditDraft::request`] the request *without* token
//! secrets, private keys, BMC passwords or certificate bodies: ids and fingerprints instead.
//!
//! The head of the chain is published ([`AuditLog::heads`]) so that agents and the journal
//! remember it: a log whose tail was cut off does not match what they have seen.

mod chain;
pub mod patrol;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use h8lio_model::audit::{AuditEntry, AuditFault, AuditHead, Outcome, Verifier};
use jiff::Timestamp;
use tokio::sync::watch;

use self::chain::{Chain, Pending};
use crate::lane::Lane;
use crate::store::{Compare, KeyRange, KeyValue, Op, Revision, Store, StoreError};

/// Everything below here belongs to the log; effects cannot touch it.
pub const AUDIT_PREFIX: &str = "/h8lio/audit/";
const HEAD: &str = "/h8lio/audit/head";
/// Where the head is logged, whatever else is: the journal is one of its witnesses.
pub const HEAD_TARGET: &str = "h8lio_coordinator::audit_head";
const ENTRIES: &str = "/h8lio/audit/entry/";
/// Entries read from the store at a time.
const PAGE: usize = 256;

/// Why something was not recorded, and therefore not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    #[error("cannot record {action} in the audit log, so it was not done")]
    Store {
        action: String,
        #[source]
        source: StoreError,
    },
    #[error("{action} was not done: what it acts on changed meanwhile; read it again and retry")]
    Conflict { action: String },
    #[error("{action} was not done: it would change the audit log itself ({key})")]
    Protected { action: String, key: String },
    #[error("cannot read the audit log")]
    Read(#[source] StoreError),
    #[error(
        "the audit log is damaged at {key} ({detail}); nothing is recorded or changed until a \
         backup is restored"
    )]
    Damaged { key: String, detail: String },
}

/// An entry before it has its place in the chain. Fields as in [`AuditEntry`]; no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditDraft {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub reason: String,
    pub ticket: Option<String>,
    pub request_id: String,
    pub request: String,
}

/// A recorded entry and its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Sequence number and hash of the entry.
    pub head: AuditHead,
    /// The store's revision that carries effect and entry.
    pub revision: Revision,
}

/// The log. Clones share one line of writers.
#[derive(Debug, Clone)]
pub struct AuditLog {
    store: Arc<dyn Store>,
    lane: Lane<Pending, Result<Recorded, AuditError>>,
    heads: watch::Receiver<AuditHead>,
}

impl AuditLog {
    /// Reads the head and starts the writer's task on the present Tokio runtime.
    ///
    /// # Errors
    /// When the head cannot be read, or is not one.
    pub async fn start(store: Arc<dyn Store>) -> Result<Self, AuditError> {
        let head = chain::stored_head(&*store).await?;
        let (publish, heads) = watch::channel(head);
        let lane = Lane::spawn(Chain::new(store.clone(), head, publish));
        Ok(Self { store, lane, heads })
    }

    /// Records `draft` as accepted and applies `effect` in the same transaction, if all of
    /// `compares` hold. Calls at the same time share transactions, as if they came one after
    /// the other.
    ///
    /// # Errors
    /// On an error nothing was done or recorded; see [`Store::txn`] for the exception.
    pub async fn append(
        &self,
        draft: AuditDraft,
        effect: Vec<Op>,
        compares: Vec<Compare>,
    ) -> Result<Recorded, AuditError> {
        if let Some(key) = chain::touches_log(&effect) {
            let action = draft.action;
            return Err(AuditError::Protected { action, key });
        }
        self.record(Pending::new(draft, Outcome::Accepted, effect, compares))
            .await
    }

    /// Records that `draft` was refused, and why.
    pub async fn append_refused(
        &self,
        draft: AuditDraft,
        why: impl Into<String>,
    ) -> Result<Recorded, AuditError> {
        let outcome = Outcome::Refused { why: why.into() };
        self.record(Pending::new(draft, outcome, Vec::new(), Vec::new()))
            .await
    }

    async fn record(&self, pending: Pending) -> Result<Recorded, AuditError> {
        let action = pending.action().to_owned();
        self.lane.send(pending).await.unwrap_or_else(|| {
            let store = "of the audit log".to_owned();
            let source = StoreError::Closed { store };
            Err(AuditError::Store { action, source })
        })
    }

    /// The present head and those to come, for the witnesses.
    pub fn heads(&self) -> watch::Receiver<AuditHead> {
        self.heads.clone()
    }

    /// Up to `limit` entries from sequence number `from` on.
    pub async fn read(&self, from: u64, limit: usize) -> Result<Vec<AuditEntry>, AuditError> {
        let mut out = Vec::new();
        let mut range = entries_from(from);
        while out.len() < limit {
            let page = self.store.range(range, PAGE.min(limit - out.len())).await;
            let page = page.map_err(AuditError::Read)?;
            for kv in &page.items {
                out.push(decode(kv)?);
            }
            let Some(last) = page.items.last().filter(|_| page.more) else {
                break;
            };
            range = entries_from(0).after(&last.key);
        }
        Ok(out)
    }

    /// Walks the whole log, page by page, and compares it with its own head and with what
    /// `witnesses` (name and head) remember. An empty answer means that it is whole.
    pub async fn verify(
        &self,
        witnesses: Vec<(String, AuditHead)>,
    ) -> Result<Vec<AuditFault>, AuditError> {
        // The head first: entries written while the log is walked come behind it.
        let own = (
            "the log's own head".to_owned(),
            chain::stored_head(&*self.store).await?,
        );
        let mut verifier = Verifier::new([own].into_iter().chain(witnesses));
        let mut range = entries_from(0);
        loop {
            let page = self
                .store
                .range(range, PAGE)
                .await
                .map_err(AuditError::Read)?;
            for kv in &page.items {
                match decode(kv) {
                    Ok(entry) => verifier.entry(&entry),
                    Err(_) => verifier.unreadable(seq_of_key(&kv.key)),
                }
            }
            let Some(last) = page.items.last().filter(|_| page.more) else {
                return Ok(verifier.finish());
            };
            range = entries_from(0).after(&last.key);
        }
    }
}

fn entry_key(seq: u64) -> String {
    format!("{ENTRIES}{seq:020}")
}

fn entries_from(seq: u64) -> KeyRange {
    let end = KeyRange::prefix(ENTRIES);
    KeyRange::span(entry_key(seq), end.end().unwrap_or_default())
}

fn seq_of_key(key: &str) -> u64 {
    let seq = key.strip_prefix(ENTRIES).and_then(|s| s.parse().ok());
    seq.unwrap_or_default()
}

fn decode<T: serde::de::DeserializeOwned>(kv: &KeyValue) -> Result<T, AuditError> {
    serde_json::from_slice(&kv.value).map_err(|e| AuditError::Damaged {
        key: kv.key.clone(),
        detail: e.to_string(),
    })
}
