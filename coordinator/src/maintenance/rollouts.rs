//! What operators asked for, stored: one record a rollout.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use h8lio_model::ids::RolloutName;
use h8lio_planner::Rollout;

use crate::registry::RegistryError;
use crate::store::Store;

/// Prefix of rollouts.
pub const ROLLOUTS: &str = "/h8lio/rollout/";

/// All rollouts that are not forgotten, in memory as they are in the store.
#[derive(Debug)]
pub struct Rollouts {
    store: Arc<dyn Store>,
    all: RwLock<BTreeMap<RolloutName, Rollout>>,
}

impl Rollouts {
    /// Reads what is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, RegistryError> {
        store.revision().await?;
        Ok(Self {
            store,
            all: RwLock::default(),
        })
    }

    /// As they are now.
    pub fn all(&self) -> Vec<Rollout> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }
}
