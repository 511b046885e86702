//! What this coordinator may have lost: its store was put back from a copy, or nodes say that they
//! were ordered more than it knows. Either way it is frozen until an admin accepts the loss.
//!
//! Both are stored. A start counts the epoch on, which could otherwise hide that orders were lost.

mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use h8lio_executor::Behind;
use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::order::{Epoch, OrderNumber, OrderReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::registry::RegistryError;
use crate::registry::records;
use crate::store::{self, KeyRange, Op, Store, StoreError, Txn};

pub use settle::settle;

/// That the store was put back.
pub const RESTORED: &str = "/h8lio/meta/restored";
/// Prefix of the nodes that are ahead.
pub const AHEAD: &str = "/h8lio/ahead/";

/// The store was put back from a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    pub at: Timestamp,
    /// Who ran the command, as the machine and sudo say.
    pub by: String,
    pub reason: String,
    /// The copy's name.
    pub file: String,
    /// Tokens are void and bans are in force again.
    #[serde(default)]
    pub settled: bool,
}

/// A node has accepted an order that this coordinator does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ahead {
    pub name: NodeName,
    pub at: Timestamp,
    pub seen: OrderNumber,
    pub known: OrderNumber,
}

/// Why the coordinator is frozen until an admin accepts the loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error(
        "its store was put back from a copy ({}, by {} at {}: {}), and servers may have been \
         ordered more since; see `h8lctl backup recovery`, then `h8lctl backup accept`",
        .0.file, .0.by, .0.at, .0.reason
    )]
    Restored(Restored),
    #[error(
        "node {} has accepted order {}, and this coordinator had sent at most {}: another one is \
         at work, or its store was put back from an old copy; stop the other one, or see `h8lctl \
         backup recovery` and then `h8lctl backup accept`", .0.name, .0.seen, .0.known
    )]
    Ahead(Ahead),
}

/// The state, shared by the driver and the services.
#[derive(Debug)]
pub struct Recovery {
    store: Arc<dyn Store>,
    state: Mutex<State>,
}

/// What is known of the loss.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub restored: Option<Restored>,
    pub ahead: BTreeMap<NodeId, Ahead>,
    /// In which each node was ordered something last.
    epochs: BTreeMap<NodeId, Epoch>,
    /// Nodes whose ledgers were heard since the start.
    pub heard: BTreeSet<NodeId>,
    /// Those of them that are in the middle of an attempt.
    pub busy: BTreeSet<NodeId>,
    /// Nodes that are ahead, which the store was not told yet.
    unsaved: BTreeSet<NodeId>,
}

impl State {
    /// The highest epoch in which a node was ordered something.
    pub fn highest(&self) -> Epoch {
        self.epochs.values().copied().max().unwrap_or_default()
    }

    /// Nodes that claim an epoch beyond this one.
    pub fn beyond(&self, epoch: Epoch) -> Vec<NodeId> {
        let beyond = self.epochs.iter().filter(|(_, of)| **of > epoch);
        beyond.map(|(node, _)| *node).collect()
    }

    fn saw(&mut self, node: NodeId, epoch: Epoch) {
        let before = self.epochs.entry(node).or_default();
        *before = epoch.max(*before);
    }

    /// The first reason to be frozen.
    pub fn lost(&self) -> Option<Lost> {
        let ahead = || self.ahead.values().next().cloned().map(Lost::Ahead);
        self.restored.clone().map(Lost::Restored).or_else(ahead)
    }
}

impl Recovery {
    /// Reads what is stored.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, RegistryError> {
        let mut state = State::default();
        if let Some(kv) = store.get(RESTORED).await? {
            state.restored = Some(records::read(RESTORED, &kv.value)?);
        }
        let (stored, _) = store::list(store.as_ref(), KeyRange::prefix(AHEAD)).await?;
        for kv in stored {
            let ahead: Ahead = records::read(&kv.key, &kv.value)?;
            let id = kv.key.strip_prefix(AHEAD).and_then(|id| id.parse().ok());
            if let Some(id) = id {
                state.saw(id, ahead.seen.epoch);
                state.ahead.insert(id, ahead);
            }
        }
        let state = Mutex::new(state);
        Ok(Self { store, state })
    }

    /// As it is now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Why the coordinator is frozen.
    pub fn lost(&self) -> Option<Lost> {
        self.lock().lost()
    }

    /// Notes what a ledger says.
    pub fn hear(&self, node: NodeId, report: &OrderReport) {
        let mut state = self.lock();
        if let Some(mark) = report.highest() {
            state.saw(node, mark.epoch);
        }
        state.heard.insert(node);
        match report.running.is_some() {
            true => state.busy.insert(node),
            false => state.busy.remove(&node),
        };
    }

    /// A node is not there any more: what it was at is not known.
    pub fn unhear(&self, node: NodeId) {
        let mut state = self.lock();
        state.heard.remove(&node);
        state.busy.remove(&node);
    }

    /// Notes that a node is ahead. In force at once, and stored when this returns.
    ///
    /// # Errors
    /// When it is not stored; it is to be noted again.
    pub async fn note(
        &self,
        name: &NodeName,
        why: &Behind,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ahead = Ahead {
            name: name.clone(),
            at,
            seen: why.seen,
            known: why.known,
        };
        {
            let mut state = self.lock();
            let known = state.ahead.get(&why.node).map(|before| before.seen);
            if known == Some(ahead.seen) && !state.unsaved.contains(&why.node) {
                return Ok(());
            }
            state.saw(why.node, ahead.seen.epoch);
            state.ahead.insert(why.node, ahead.clone());
            state.unsaved.insert(why.node);
        }
        let put = Op::put(key(why.node), records::write(&ahead));
        self.store.txn(Txn::when([]).then([put])).await?;
        self.lock().unsaved.remove(&why.node);
        Ok(())
    }

    /// A node is no part of the fleet any more, or is kept out of it: what it says does not count.
    ///
    /// # Errors
    /// When that is not stored; it is to be said again.
    pub async fn forget(&self, node: NodeId) -> Result<(), StoreError> {
        {
            let mut state = self.lock();
            state.epochs.remove(&node);
            if !state.ahead.contains_key(&node) {
                return Ok(());
            }
        }
        let delete = Op::delete(key(node));
        self.store.txn(Txn::when([]).then([delete])).await?;
        self.lock().ahead.remove(&node);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(node: NodeId) -> String {
    format!("{AHEAD}{node}")
}

#[cfg(test)]
mod tests;
