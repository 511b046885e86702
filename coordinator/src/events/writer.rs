//! Writing: places for events, and the end of the oldest.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CHUNK, EventDraft, EventsError, HEAD, encode, entry_key, head, seq_of};
use crate::lane::Worker;
use crate::store::{Compare, CompareOp, KeyRange, Op, OpResponse, Store, Target, Txn};

/// Gives events their places.
pub(super) struct EventWriter {
    pub(super) store: Arc<dyn Store>,
    pub(super) keep: u64,
    /// The last sequence number written; `None` when that has to be looked up.
    pub(super) last: Option<u64>,
}

#[async_trait]
impl Worker for EventWriter {
    type Item = Vec<EventDraft>;
    type Answer = Result<u64, EventsError>;

    async fn work(&mut self, group: Vec<Self::Item>) -> Vec<Self::Answer> {
        let sizes: Vec<usize> = group.iter().map(Vec::len).collect();
        let drafts: Vec<EventDraft> = group.into_iter().flatten().collect();
        // Sequence number of the draft before the next one, for each chunk that was written.
        let mut placed: Vec<u64> = Vec::with_capacity(drafts.len());
        let mut failed = None;
        for chunk in drafts.chunks(CHUNK) {
            match self.write(chunk).await {
                Ok(head) => placed.extend(head + 1..=head + chunk.len() as u64),
                Err(e) => {
                    failed = Some(e);
                    break;
                }
            }
        }
        let mut end = 0;
        let answer = |size: usize| {
            end += size;
            match (placed.get(end - 1), &failed) {
                (Some(seq), _) => Ok(*seq),
                (None, Some(e)) => Err(e.clone()),
                (None, None) => Ok(0),
            }
        };
        sizes.into_iter().map(answer).collect()
    }
}

impl EventWriter {
    /// One transaction, again with the true head while another process is faster. Answers the
    /// head before it.
    async fn write(&mut self, chunk: &[EventDraft]) -> Result<u64, EventsError> {
        // Not known while the transaction is under way.
        let mut head = match self.last.take() {
            Some(seq) => seq,
            None => head(&*self.store).await?,
        };
        loop {
            let txn = self.txn(head, chunk);
            let out = self.store.txn(txn).await.map_err(EventsError::Store)?;
            if out.succeeded {
                self.last = Some(head + chunk.len() as u64);
                return Ok(head);
            }
            head = match out.responses.first() {
                Some(OpResponse::Get(Some(kv))) => seq_of(kv)?,
                _ => 0,
            };
        }
    }

    fn txn(&self, head: u64, chunk: &[EventDraft]) -> Txn {
        let mut ops = Vec::with_capacity(chunk.len() + 2);
        let mut seq = head;
        for draft in chunk {
            seq += 1;
            let event = draft.clone().place(seq);
            ops.push(Op::put(entry_key(seq), encode(&event)));
        }
        ops.push(Op::put(HEAD, seq.to_string()));
        // A chunk is shorter than the retention or deletes nothing that it writes.
        let oldest = (seq + 1).saturating_sub(self.keep).min(head + 1);
        if oldest > 1 {
            let old = KeyRange::span(entry_key(0), entry_key(oldest));
            ops.push(Op::delete_range(old));
        }
        let unchanged = if head == 0 {
            Compare::absent(HEAD)
        } else {
            let value = Target::Value(head.to_string().into());
            Compare::new(HEAD, CompareOp::Equal, value)
        };
        Txn::when([unchanged]).then(ops).otherwise([Op::get(HEAD)])
    }
}
