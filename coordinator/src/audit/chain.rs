//! The end of the chain: links entries and writes them with their effects, many per transaction.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use h8lio_model::audit::{AuditEntry, AuditHead, Outcome};
use h8lio_model::section::Digest;
use tokio::sync::watch;

use super::{AUDIT_PREFIX, AuditDraft, AuditError, HEAD, HEAD_TARGET, Recorded, decode, entry_key};
use crate::lane::Worker;
use crate::store::{
    Compare, CompareOp, ErrorClass, KeyRange, MAX_OPS, MAX_TXN_BYTES, Op, OpResponse, Store,
    StoreError, Target, Txn,
};

/// An entry with its effect, waiting for its place.
#[derive(Debug)]
pub(super) struct Pending {
    entry: AuditEntry,
    effect: Vec<Op>,
    compares: Vec<Compare>,
}

impl Pending {
    pub(super) fn new(
        draft: AuditDraft,
        outcome: Outcome,
        effect: Vec<Op>,
        compares: Vec<Compare>,
    ) -> Self {
        let entry = AuditEntry {
            seq: 0,
            previous: AuditHead::EMPTY.hash,
            at: draft.at,
            actor: draft.actor,
            action: draft.action,
            target: draft.target,
            reason: draft.reason,
            ticket: draft.ticket,
            request_id: draft.request_id,
            request: draft.request,
            outcome,
            hash: Digest([0; 32]),
        };
        Self {
            entry,
            effect,
            compares,
        }
    }

    pub(super) fn action(&self) -> &str {
        &self.entry.action
    }

    fn writes(&self, key: &str) -> bool {
        self.effect
            .iter()
            .filter_map(written)
            .any(|r| r.contains(key))
    }

    /// Whether this one, run after `earlier` in one transaction, could see another state than if
    /// `earlier` had been committed before.
    fn depends_on(&self, earlier: &Self) -> bool {
        let compared = self.compares.iter().any(|c| earlier.writes(&c.key));
        let ours = || self.effect.iter().filter_map(written);
        let theirs = || earlier.effect.iter().filter_map(written);
        compared || ours().any(|a| theirs().any(|b| a.overlaps(&b)))
    }
}

/// The keys that an operation may change.
fn written(op: &Op) -> Option<KeyRange> {
    match op {
        Op::Get { .. } => None,
        Op::Put { key, .. } | Op::Delete { key } => Some(KeyRange::key(key.as_str())),
        Op::DeleteRange { range } => Some(range.clone()),
    }
}

/// A key or range start of the log that `effect` would change.
pub(super) fn touches_log(effect: &[Op]) -> Option<String> {
    let log = KeyRange::prefix(AUDIT_PREFIX);
    let hit = effect.iter().filter_map(written).find(|r| r.overlaps(&log));
    hit.map(|r| r.start().to_owned())
}

/// The head as it stands in the store.
pub(super) async fn stored_head(store: &dyn Store) -> Result<AuditHead, AuditError> {
    let kv = store.get(HEAD).await.map_err(AuditError::Read)?;
    kv.as_ref().map_or(Ok(AuditHead::EMPTY), decode)
}

/// The worker that owns the head.
pub(super) struct Chain {
    store: Arc<dyn Store>,
    head: AuditHead,
    publish: watch::Sender<AuditHead>,
}

/// What a transaction of several entries came to.
enum Attempt {
    Done(Recorded),
    /// Somebody else wrote; the head is this one now.
    Behind(AuditHead),
    /// The head stands, so a comparison of an effect failed.
    Conflict,
}

#[async_trait]
impl Worker for Chain {
    type Item = Pending;
    type Answer = Result<Recorded, AuditError>;

    async fn work(&mut self, group: Vec<Pending>) -> Vec<Self::Answer> {
        let mut answers = Vec::with_capacity(group.len());
        let mut rest = &group[..];
        while !rest.is_empty() {
            let (together, later) = rest.split_at(fitting(rest));
            self.together(together, &mut answers).await;
            rest = later;
        }
        answers
    }
}

/// How many of the first entries (at least one) fit one transaction and are independent.
fn fitting(group: &[Pending]) -> usize {
    let (mut ops, mut compares, mut bytes) = (1, 2, 256);
    for (i, p) in group.iter().enumerate() {
        ops += p.effect.len() + 1;
        compares += p.compares.len();
        bytes += size(p);
        let full = ops > MAX_OPS || compares > MAX_OPS || bytes > MAX_TXN_BYTES / 2;
        if i > 0 && (full || group[..i].iter().any(|earlier| p.depends_on(earlier))) {
            return i;
        }
    }
    group.len()
}

/// About how many bytes an entry adds; half of the limit is left for what this misses.
fn size(p: &Pending) -> usize {
    let e = &p.entry;
    let texts = [
        &e.actor,
        &e.action,
        &e.target,
        &e.reason,
        &e.request_id,
        &e.request,
    ];
    let texts: usize = texts.iter().map(|t| t.len()).sum();
    let effect = p.effect.iter().map(|op| match op {
        Op::Put { key, value, .. } => key.len() + value.len(),
        Op::Get { key } | Op::Delete { key } => key.len(),
        Op::DeleteRange { range } => range.start().len() * 2,
    });
    let compares = p.compares.iter().map(|c| match &c.target {
        Target::Value(v) => c.key.len() + v.len(),
        _ => c.key.len(),
    });
    let rows = 1 + p.effect.len() + p.compares.len();
    texts + effect.sum::<usize>() + compares.sum::<usize>() + 512 + 64 * rows
}

impl Chain {
    pub(super) const fn new(
        store: Arc<dyn Store>,
        head: AuditHead,
        publish: watch::Sender<AuditHead>,
    ) -> Self {
        Self {
            store,
            head,
            publish,
        }
    }

    /// Writes `group` in one transaction; if one of them cannot be done, each half by itself, so
    /// that the others are.
    async fn together(
        &mut self,
        group: &[Pending],
        answers: &mut Vec<Result<Recorded, AuditError>>,
    ) {
        let mut todo = vec![group];
        while let Some(part) = todo.pop() {
            match self.write(part).await {
                Ok(Some(recorded)) => answers.extend(recorded.into_iter().map(Ok)),
                Ok(None) if part.len() == 1 => answers.push(Err(conflict(&part[0]))),
                Err(AuditError::Store { source, .. })
                    if part.len() == 1 || source.class() == ErrorClass::Retryable =>
                {
                    answers.extend(part.iter().map(|p| Err(refused(p, source.clone()))));
                }
                Ok(None) | Err(AuditError::Store { .. }) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    todo.extend([second, first]);
                }
                Err(e) => answers.extend(part.iter().map(|_| Err(e.clone()))),
            }
        }
    }

    /// One transaction, again with the true head while another process is faster. `None` when a
    /// comparison of an effect failed.
    async fn write(&mut self, group: &[Pending]) -> Result<Option<Vec<Recorded>>, AuditError> {
        loop {
            let entries = self.link(group);
            match self.attempt(group, &entries).await? {
                Attempt::Behind(head) => self.head = head,
                Attempt::Conflict => return Ok(None),
                Attempt::Done(Recorded { head, revision }) => {
                    self.head = head;
                    tracing::info!(target: HEAD_TARGET, seq = head.seq, hash = %head.hash, "audit head");
                    self.publish.send_replace(head);
                    let heads = entries.iter().map(AuditEntry::head);
                    let recorded = heads.map(|head| Recorded { head, revision });
                    return Ok(Some(recorded.collect()));
                }
            }
        }
    }

    fn link(&self, group: &[Pending]) -> Vec<AuditEntry> {
        let mut head = self.head;
        let link = |p: &Pending| {
            let entry = p.entry.clone().link(head);
            head = entry.head();
            entry
        };
        group.iter().map(link).collect()
    }

    async fn attempt(
        &self,
        group: &[Pending],
        entries: &[AuditEntry],
    ) -> Result<Attempt, AuditError> {
        let next = entry_key(self.head.seq + 1);
        let out = self.store.txn(self.txn(group, entries, &next)).await;
        let out = out.map_err(|e| refused(&group[0], e))?;
        if out.succeeded {
            let head = entries.last().map_or(self.head, AuditEntry::head);
            let revision = out.revision;
            return Ok(Attempt::Done(Recorded { head, revision }));
        }
        let [OpResponse::Get(head), OpResponse::Get(beyond)] = &out.responses[..] else {
            return Ok(Attempt::Conflict);
        };
        let head = head.as_ref().map_or(Ok(AuditHead::EMPTY), decode)?;
        match beyond {
            _ if head != self.head => Ok(Attempt::Behind(head)),
            None => Ok(Attempt::Conflict),
            Some(kv) => Err(AuditError::Damaged {
                key: kv.key.clone(),
                detail: "an entry stands behind the head".to_owned(),
            }),
        }
    }

    /// Effects, entries and the new head, if the head is still the one they are linked to and
    /// no entry would be overwritten.
    fn txn(&self, group: &[Pending], entries: &[AuditEntry], next: &str) -> Txn {
        let head = if self.head == AuditHead::EMPTY {
            Compare::absent(HEAD)
        } else {
            Compare::new(HEAD, CompareOp::Equal, Target::Value(json(&self.head)))
        };
        let chain = [head, Compare::absent(next)];
        let compares = group.iter().flat_map(|p| p.compares.iter().cloned());
        let effects = group.iter().flat_map(|p| p.effect.iter().cloned());
        let puts = entries.iter().map(|e| Op::put(entry_key(e.seq), json(e)));
        let last = entries.last().map(|e| Op::put(HEAD, json(&e.head())));
        Txn::when(chain.into_iter().chain(compares))
            .then(effects.chain(puts).chain(last))
            .otherwise([Op::get(HEAD), Op::get(next)])
    }
}

fn json<T: serde::Serialize>(value: &T) -> Bytes {
    // Strings, integers and enums only: this form always exists.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn conflict(p: &Pending) -> AuditError {
    let action = p.entry.action.clone();
    AuditError::Conflict { action }
}

fn refused(p: &Pending, source: StoreError) -> AuditError {
    let action = p.entry.action.clone();
    AuditError::Store { action, source }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
