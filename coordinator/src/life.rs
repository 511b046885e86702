//! One life of the coordinator's data: its incarnation, and its epoch, which counts the starts.
//!
//! Orders are ordered by epoch first. Whoever goes on from less than the nodes know (a restored
//! backup) must begin a new life above everything they were ordered, or an order could be taken for
//! another one: [`Life::above`].

use h8lio_model::ids::{FleetName, Incarnation};
use h8lio_model::order::Epoch;
use serde::{Deserialize, Serialize};

use crate::registry::RegistryError;
use crate::registry::records;
use crate::store::{Compare, KeyValue, Op, Store, StoreError, Txn};

/// Where it is stored.
pub const KEY: &str = "/h8lio/meta/coordinator";

/// As stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    pub incarnation: Incarnation,
    pub epoch: u64,
    /// Not known in a store of an earlier release.
    #[serde(default)]
    pub fleet: Option<FleetName>,
}

/// Why no life begins.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RegistryError),
    #[error("another coordinator started on this store at the same moment; stop one of them")]
    Raced,
    #[error(
        "the store holds the fleet {found}, and this coordinator is set up for {wanted}; give it \
         its own store (`store` in its configuration)"
    )]
    OtherFleet { found: FleetName, wanted: FleetName },
}

impl Life {
    fn new(fleet: &FleetName) -> Self {
        Self {
            incarnation: Incarnation(uuid::Uuid::new_v4()),
            epoch: 0,
            fleet: Some(fleet.clone()),
        }
    }

    /// A new life whose first start has an epoch above this one's and above `seen`.
    pub fn above(&self, seen: Epoch) -> Self {
        Self {
            incarnation: Incarnation(uuid::Uuid::new_v4()),
            epoch: self.epoch.max(seen.0),
            fleet: self.fleet.clone(),
        }
    }

    /// The change that makes it the one that is stored, if that is still `before`.
    pub fn write(&self, before: Option<&KeyValue>) -> (Compare, Op) {
        (
            Compare::same(KEY, before),
            Op::put(KEY, records::write(self)),
        )
    }
}

/// As it is stored.
///
/// # Errors
/// When it cannot be read.
pub async fn stored(store: &dyn Store) -> Result<Option<(Life, KeyValue)>, LifeError> {
    let Some(kv) = store.get(KEY).await? else {
        return Ok(None);
    };
    let life = records::read(KEY, &kv.value).map_err(RegistryError::from)?;
    Ok(Some((life, kv)))
}

/// Whether the store of this life belongs to the fleet.
///
/// # Errors
/// [`LifeError::OtherFleet`].
pub fn belongs(life: &Life, fleet: &FleetName) -> Result<(), LifeError> {
    match &life.fleet {
        Some(found) if found != fleet => Err(LifeError::OtherFleet {
            found: found.clone(),
            wanted: fleet.clone(),
        }),
        _ => Ok(()),
    }
}

/// Reads the life, or makes one, and counts the start.
///
/// # Errors
/// [`LifeError`]; nothing is written then.
pub async fn begin(store: &dyn Store, fleet: &FleetName) -> Result<Life, LifeError> {
    let before = stored(store).await?;
    let (old, kv) = before.map_or((Life::new(fleet), None), |(old, kv)| (old, Some(kv)));
    belongs(&old, fleet)?;
    let life = Life {
        epoch: old.epoch + 1,
        fleet: Some(fleet.clone()),
        ..old
    };
    let (compare, op) = life.write(kv.as_ref());
    if !store.txn(Txn::when([compare]).then([op])).await?.succeeded {
        return Err(LifeError::Raced);
    }
    Ok(life)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::store::memory::MemoryStore;

    fn fleet(name: &str) -> FleetName {
        name.parse().expect("a name")
    }

    fn empty() -> MemoryStore {
        MemoryStore::new(Arc::new(SystemClock::new()))
    }

    #[tokio::test]
    async fn each_start_counts_the_epoch_and_keeps_the_incarnation() {
        let (store, us) = (empty(), fleet("us"));
        let first = begin(&store, &us).await.expect("a life");
        let second = begin(&store, &us).await.expect("the same life");
        assert_eq!((first.epoch, second.epoch), (1, 2));
        assert_eq!(first.incarnation, second.incarnation);
    }

    #[tokio::test]
    async fn the_store_of_another_fleet_is_refused_and_left_alone() {
        let store = empty();
        begin(&store, &fleet("us")).await.expect("a life");
        let before = store.revision().await.expect("a revision");
        let error = begin(&store, &fleet("them")).await.expect_err("not theirs");
        assert!(matches!(error, LifeError::OtherFleet { .. }), "{error}");
        assert_eq!(store.revision().await.expect("a revision"), before);
    }

    #[test]
    fn a_new_life_is_above_what_was_stored_and_above_what_was_seen() {
        let old = Life {
            epoch: 4,
            ..Life::new(&fleet("us"))
        };
        for (seen, epoch) in [(0, 4), (4, 4), (9, 9)] {
            let new = old.above(Epoch(seen));
            assert_eq!(new.epoch, epoch);
            assert_ne!(new.incarnation, old.incarnation);
        }
    }
}
