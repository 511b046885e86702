//! What must be remembered of each node's orders: written before anything is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use h8lio_executor::Record;
use h8lio_model::ids::NodeId;

use super::patience::patiently;
use crate::registry::RegistryError;
use crate::registry::records;
use crate::store::{self, KeyRange, Op, Store, StoreError, Txn};

/// Prefix of these records: one key a node.
pub const ORDERS: &str = "/h8lio/order/";

/// The records in the store.
#[derive(Debug, Clone)]
pub struct Records {
    store: Arc<dyn Store>,
}

impl Records {
    /// All of `store`.
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// As they stand.
    ///
    /// # Errors
    /// When the store cannot be read or holds what this release does not understand.
    pub async fn all(&self) -> Result<BTreeMap<NodeId, Record>, RegistryError> {
        let (items, _) = store::list(self.store.as_ref(), KeyRange::prefix(ORDERS)).await?;
        let mut all = BTreeMap::new();
        for kv in items {
            let Some(Ok(node)) = kv.key.strip_prefix(ORDERS).map(str::parse) else {
                tracing::warn!(key = kv.key, "a key that names no node; it is passed over");
                continue;
            };
            all.insert(node, records::read(&kv.key, &kv.value)?);
        }
        Ok(all)
    }

    /// Writes one over. Harmless when repeated: only the driver writes them, one after the other.
    ///
    /// # Errors
    /// When the store refuses; see [`Store::txn`] for what may have happened all the same.
    pub async fn write(&self, node: NodeId, record: &Record) -> Result<(), StoreError> {
        let put = Op::put(format!("{ORDERS}{node}"), records::write(record));
        patiently(self.store.txn(Txn::default().then([put]))).await?;
        Ok(())
    }
}
