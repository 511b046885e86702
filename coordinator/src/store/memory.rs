//! The store in memory: what a store is, in the plainest form. Tests run on it, and the other
//! backends are compared with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::check;
use super::error::StoreError;
use super::key::{KeyRange, KeyValue, LeaseId, Revision};
use super::lease::{LeaseTable, round_ttl};
use super::txn::{Op, OpResponse, Txn, TxnResult};
use super::watch::{History, WatchBatch, WatchEvent, WatchStream};
use super::{Lease, RangePage, Store};
use crate::clock::Clock;

/// Revisions of history that are kept unless said otherwise.
const HISTORY: usize = 10_000;
/// Changes in one batch of a watch, give or take one revision.
const BATCH_EVENTS: usize = 1_000;

/// A store that lives as long as its process.
#[derive(Debug)]
pub struct MemoryStore {
    state: Arc<Shared>,
    clock: Arc<dyn Clock>,
    head: watch::Sender<Revision>,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    keys: BTreeMap<String, KeyValue>,
    revision: Revision,
    compacted: Revision,
    /// One batch per changing revision behind `compacted`.
    history: VecDeque<WatchBatch>,
    keep: usize,
    leases: LeaseTable,
    last_lease: u64,
}

impl MemoryStore {
    /// An empty store at revision 1.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_history(clock, HISTORY)
    }

    /// An empty store that keeps at least the last `keep` revisions of history.
    pub fn with_history(clock: Arc<dyn Clock>, keep: usize) -> Self {
        let state = State {
            keys: BTreeMap::new(),
            revision: Revision(1),
            compacted: Revision(0),
            history: VecDeque::new(),
            keep,
            leases: LeaseTable::default(),
            last_lease: 0,
        };
        Self {
            state: Arc::new(Shared(Mutex::new(state))),
            clock,
            head: watch::Sender::new(Revision(1)),
        }
    }

    /// Gives every lease its full time again, as a restart of a store does.
    #[cfg(test)]
    pub(super) fn restart_leases(&self) {
        let now = self.clock.mono();
        self.state.lock().leases.restart(now);
    }

    /// Runs `change` and tells the watchers.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let out = change(&mut state);
        let now = state.revision;
        self.head
            .send_if_modified(|head| std::mem::replace(head, now) != now);
        out
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics half-way, so a poisoned lock is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn txn(&mut self, txn: Txn) -> Result<TxnResult, StoreError> {
        let succeeded = txn.compares.iter().all(|c| c.holds(self.keys.get(&c.key)));
        let ops = if succeeded { txn.success } else { txn.failure };
        for op in &ops {
            if let Op::Put {
                lease: Some(id), ..
            } = op
                && !self.leases.contains(*id)
            {
                return Err(StoreError::LeaseNotFound { id: *id });
            }
        }
        let mut events = Vec::new();
        let responses = ops.into_iter().map(|op| self.op(op, &mut events)).collect();
        self.record(events);
        Ok(TxnResult {
            succeeded,
            revision: self.revision,
            responses,
        })
    }

    fn op(&mut self, op: Op, events: &mut Vec<WatchEvent>) -> OpResponse {
        match op {
            Op::Get { key } => OpResponse::Get(self.keys.get(&key).cloned()),
            Op::Put { key, value, lease } => {
                let revision = self.revision.next();
                let old = self.keys.get(&key);
                let kv = KeyValue {
                    create_revision: old.map_or(revision, |o| o.create_revision),
                    mod_revision: revision,
                    version: old.map_or(0, |o| o.version) + 1,
                    key: key.clone(),
                    value,
                    lease,
                };
                self.keys.insert(key, kv.clone());
                events.push(WatchEvent::Put(kv));
                OpResponse::Put
            }
            Op::Delete { key } => self.delete(&KeyRange::key(key), events),
            Op::DeleteRange { range } => self.delete(&range, events),
        }
    }

    fn delete(&mut self, range: &KeyRange, events: &mut Vec<WatchEvent>) -> OpResponse {
        let gone: Vec<String> = self.within(range).map(|kv| kv.key.clone()).collect();
        let mod_revision = self.revision.next();
        let count = gone.len() as u64;
        for key in gone {
            self.keys.remove(&key);
            events.push(WatchEvent::Delete { key, mod_revision });
        }
        OpResponse::Deleted(count)
    }

    fn within<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a KeyValue> {
        self.keys
            .range(range.start().to_owned()..)
            .map(|(_, kv)| kv)
            .take_while(|kv| range.contains(&kv.key))
    }

    /// Makes `events` the next revision, if there are any.
    fn record(&mut self, events: Vec<WatchEvent>) {
        if events.is_empty() {
            return;
        }
        self.revision = self.revision.next();
        let revision = self.revision;
        self.history.push_back(WatchBatch { revision, events });
        self.compact(Revision(revision.0.saturating_sub(self.keep as u64)));
    }

    fn compact(&mut self, upto: Revision) {
        let upto = upto.min(self.revision);
        self.compacted = self.compacted.max(upto);
        while self.history.front().is_some_and(|b| b.revision <= upto) {
            self.history.pop_front();
        }
    }

    fn end_lease(&mut self, id: LeaseId) -> Result<(), StoreError> {
        if !self.leases.remove(id) {
            return Err(StoreError::LeaseNotFound { id });
        }
        let held = |kv: &&KeyValue| kv.lease == Some(id);
        let keys = self.keys.values().filter(held).map(|kv| kv.key.clone());
        let mut events = Vec::new();
        for key in keys.collect::<Vec<_>>() {
            self.delete(&KeyRange::key(key), &mut events);
        }
        self.record(events);
        Ok(())
    }
}

#[async_trait]
impl History for Shared {
    async fn since(&self, range: &KeyRange, from: Revision) -> Result<WatchBatch, StoreError> {
        let state = self.lock();
        if from <= state.compacted {
            let compacted = state.compacted;
            return Err(StoreError::Compacted { from, compacted });
        }
        let mut page = WatchBatch {
            revision: state.revision,
            events: Vec::new(),
        };
        let first = state.history.partition_point(|b| b.revision < from);
        for batch in state.history.iter().skip(first) {
            if page.events.len() >= BATCH_EVENTS {
                page.revision = Revision(batch.revision.0 - 1);
                break;
            }
            let wanted = batch.events.iter().filter(|e| range.contains(e.key()));
            page.events.extend(wanted.cloned());
        }
        Ok(page)
    }

    fn closed(&self) -> StoreError {
        let store = "in memory".to_owned();
        StoreError::Closed { store }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        Ok(self.state.lock().revision)
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        check::check_key(key)?;
        Ok(self.state.lock().keys.get(key).cloned())
    }

    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        let limit = limit.max(1);
        let state = self.state.lock();
        let mut items: Vec<KeyValue> = state.within(&range).take(limit + 1).cloned().collect();
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(RangePage {
            items,
            more,
            revision: state.revision,
        })
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        check::txn(&txn)?;
        self.change(|s| s.txn(txn))
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        let (history, head) = (self.state.clone(), self.head.subscribe());
        super::watch::open(history, head, range, from).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.state.lock().compact(upto);
        Ok(())
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        let ttl = round_ttl(ttl);
        let mut state = self.state.lock();
        state.last_lease += 1;
        let id = LeaseId(state.last_lease);
        state.leases.insert(id, ttl, self.clock.mono());
        Ok(Lease { id, ttl })
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        let now = self.clock.mono();
        self.state.lock().leases.keep_alive(id, now)
    }

    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.change(|s| s.end_lease(id))
    }

    async fn tick(&self) -> Result<(), StoreError> {
        let now = self.clock.mono();
        self.change(|s| {
            for id in s.leases.take_expired(now) {
                s.end_lease(id)?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{self, Bench};
    use super::*;
    use crate::clock::ManualClock;

    fn fresh() -> Bench {
        let clock = Arc::new(ManualClock::default());
        Bench {
            store: Arc::new(MemoryStore::new(clock.clone())),
            clock,
            _keep: None,
        }
    }

    contract::suite!(fresh);
}
