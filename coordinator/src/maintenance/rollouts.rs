//! What operators asked for, stored: one record a rollout.

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use h8lio_model::ids::RolloutName;
use h8lio_planner::Rollout;
use h8lio_planner::calendar::{BadWindow, Stretch};

pub use record::{AcknowledgedRecord, ControlRecord, RolloutRecord, WishRecord};

use crate::registry::records::{self, BadRecord};
use crate::store::{self, Compare, KeyRange, KeyValue, Op, Revision, Store, StoreError};

/// Prefix of rollouts.
pub const ROLLOUTS: &str = "/h8lio/rollout/";

/// Key of a rollout.
pub fn key(name: &RolloutName) -> String {
    format!("{ROLLOUTS}{name}")
}

/// Why rollouts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RolloutsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    BadRecord(#[from] BadRecord),
    #[error("a window of the record {key} in the store cannot be used")]
    Window {
        key: String,
        #[source]
        source: BadWindow,
    },
    #[error("the record {key} in the store is about rollout {name}; the store was damaged")]
    Misplaced { key: String, name: RolloutName },
}

/// A rollout as it is stored.
#[derive(Debug)]
pub struct Stored {
    pub record: RolloutRecord,
    windows: Vec<Stretch>,
    revision: Revision,
}

impl Stored {
    /// As the planner takes it.
    pub fn rollout(&self) -> Rollout {
        Rollout {
            spec: self.record.spec.clone(),
            created_at: self.record.created_at,
            windows: self.windows.clone(),
            control: self.record.control.to_planner(),
        }
    }

    /// As the planner would take it with this record instead.
    pub fn with(&self, record: &RolloutRecord) -> Rollout {
        Rollout {
            control: record.control.to_planner(),
            ..self.rollout()
        }
    }

    fn read(kv: &KeyValue) -> Result<Self, RolloutsError> {
        let record: RolloutRecord = records::read(&kv.key, &kv.value)?;
        if key(&record.spec.name) != kv.key {
            return Err(RolloutsError::Misplaced {
                key: kv.key.clone(),
                name: record.spec.name,
            });
        }
        let compile = |w| Stretch::compile(w, jiff::tz::db(), record.created_at);
        let windows: Result<Vec<_>, _> = record.spec.windows.iter().map(compile).collect();
        let windows = windows.map_err(|source| RolloutsError::Window {
            key: kv.key.clone(),
            source,
        })?;
        Ok(Self {
            record,
            windows,
            revision: kv.mod_revision,
        })
    }
}

/// All rollouts that are not forgotten, in memory as they are in the store.
#[derive(Debug)]
pub struct Rollouts {
    store: Arc<dyn Store>,
    all: RwLock<BTreeMap<RolloutName, Arc<Stored>>>,
}

impl Rollouts {
    /// Reads all rollouts.
    ///
    /// # Errors
    /// When the store cannot be read, or holds a record that this release does not understand: a
    /// rollout that is not seen would be one whose nodes anybody may take down.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, RolloutsError> {
        let (items, _) = store::list(store.as_ref(), KeyRange::prefix(ROLLOUTS)).await?;
        let all = items
            .iter()
            .map(|kv| {
                let stored = Stored::read(kv)?;
                Ok((stored.record.spec.name.clone(), Arc::new(stored)))
            })
            .collect::<Result<BTreeMap<_, _>, RolloutsError>>()?;
        Ok(Self {
            store,
            all: RwLock::new(all),
        })
    }

    /// As they are now.
    pub fn all(&self) -> Vec<Rollout> {
        self.list().iter().map(|stored| stored.rollout()).collect()
    }

    /// As they are now, with who asked for them; by name.
    pub fn list(&self) -> Vec<Arc<Stored>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, name: &RolloutName) -> Option<Arc<Stored>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    /// What creates a rollout. Memory has it after [`Rollouts::refresh`].
    pub fn create_ops(record: &RolloutRecord) -> (Vec<Compare>, Vec<Op>) {
        let key = key(&record.spec.name);
        let op = Op::put(key.clone(), records::write(record));
        (vec![Compare::absent(key)], vec![op])
    }

    /// What changes a rollout, if nobody else has changed it. Memory has it after
    /// [`Rollouts::refresh`].
    pub fn replace_ops(before: &Stored, after: &RolloutRecord) -> (Vec<Compare>, Vec<Op>) {
        let key = key(&before.record.spec.name);
        let op = Op::put(key.clone(), records::write(after));
        (vec![Compare::modified_at(key, before.revision)], vec![op])
    }

    /// Reads one again, after it was changed. Two readings may overtake each other: the older one
    /// takes nothing back.
    ///
    /// # Errors
    /// When the store cannot be read or understood.
    pub async fn refresh(&self, name: &RolloutName) -> Result<(), RolloutsError> {
        let Some(kv) = self.store.get(&key(name)).await? else {
            return Ok(());
        };
        let read = Arc::new(Stored::read(&kv)?);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.get(name).is_none_or(|h| h.revision < read.revision) {
            all.insert(name.clone(), read);
        }
        Ok(())
    }
}
