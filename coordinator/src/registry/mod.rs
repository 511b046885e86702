//! The nodes of the fleet in memory, in step with the store: every change is a compare-and-set
//! on the stored record first.

mod node;
pub mod records;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::lifecycle::Admission;
use h8lio_model::section::{Digest, SectionKind};
use jiff::Timestamp;

pub use node::{Held, Live, Node, Verdict, Versioned};
use records::{BadRecord, NodeRecord, SeenRecord};

use crate::store::{self, Compare, KeyRange, Op, Store, StoreError, Txn};

/// Why the registry could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    BadRecord(#[from] BadRecord),
    #[error("node {0} is not known; `h8lctl node list` shows the fleet")]
    NotFound(String),
    #[error("node {name} was changed by somebody else again and again; try once more")]
    Contended { name: NodeName },
}

/// How often a compare-and-set is tried again before the caller is told.
const TRIES: usize = 16;

/// All nodes.
#[derive(Debug)]
pub struct Registry {
    store: Arc<dyn Store>,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: HashMap<NodeId, Arc<Node>>,
    names: HashMap<NodeName, NodeId>,
    keys: HashMap<Digest, NodeId>,
}

impl Registry {
    /// Reads the fleet from the store. `now` is when the sections count as last confirmed only
    /// if the store does not say better: their own timestamps are kept.
    ///
    /// # Errors
    /// When the store cannot be read or holds what this release does not understand.
    pub async fn load(store: Arc<dyn Store>, now: Timestamp) -> Result<Self, RegistryError> {
        let mut inner = Inner::default();
        let (items, _) = store::list(store.as_ref(), KeyRange::prefix(records::NODES)).await?;
        for kv in items {
            let value: NodeRecord = records::read(&kv.key, &kv.value)?;
            let revision = kv.mod_revision;
            let seen_key = records::seen_key(value.id);
            let seen = match store.get(&seen_key).await? {
                Some(kv) => records::read(&seen_key, &kv.value)?,
                None => SeenRecord::default(),
            };
            if value.admission != Admission::Decommissioned {
                inner.names.insert(value.name.clone(), value.id);
            }
            inner.keys.insert(value.enrolled_key, value.id);
            let node = Node::new(Versioned { value, revision }, seen, now);
            inner.nodes.insert(node.id, Arc::new(node));
        }
        let registry = Self {
            store,
            inner: RwLock::new(inner),
        };
        registry.load_sections().await?;
        Ok(registry)
    }

    async fn load_sections(&self) -> Result<(), RegistryError> {
        let range = KeyRange::prefix(records::SECTIONS);
        let (items, _) = store::list(self.store.as_ref(), range).await?;
        for kv in items {
            let Some((node, kind)) = parse_section_key(&kv.key) else {
                continue;
            };
            let Some(node) = self.by_id(node) else {
                continue;
            };
            let stored: StoredSection = records::read(&kv.key, &kv.value)?;
            node.set_digest(kind, stored.digest, stored.at);
            crate::gather::ingest::remember(&node, kind, stored.body.get().as_bytes());
        }
        Ok(())
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node with this id.
    pub fn by_id(&self, id: NodeId) -> Option<Arc<Node>> {
        self.read().nodes.get(&id).cloned()
    }

    /// The node with this name or id, as an operator wrote it.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub fn find(&self, text: &str) -> Result<Arc<Node>, RegistryError> {
        let inner = self.read();
        let id = match text.parse::<NodeId>() {
            Ok(id) => Some(id),
            Err(_) => text
                .parse()
                .ok()
                .and_then(|name: NodeName| inner.names.get(&name).copied()),
        };
        id.and_then(|id| inner.nodes.get(&id).cloned())
            .ok_or_else(|| RegistryError::NotFound(text.chars().take(80).collect()))
    }

    /// The node that asked to join with this key. Also one that the store has and memory lacks: its
    /// admission was written, and the call that asked for it ended before it was told.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn by_enrolled_key(
        &self,
        key: Digest,
        now: Timestamp,
    ) -> Result<Option<Arc<Node>>, RegistryError> {
        let known = self.read().keys.get(&key).copied();
        if let Some(node) = known.and_then(|id| self.by_id(id)) {
            return Ok(Some(node));
        }
        let Some(kv) = self.store.get(&records::enrolled_key_key(key)).await? else {
            return Ok(None);
        };
        match std::str::from_utf8(&kv.value)
            .ok()
            .and_then(|s| s.parse().ok())
        {
            Some(id) => self.refresh(id, now).await.map(Some),
            None => Err(RegistryError::NotFound(kv.key)),
        }
    }

    /// All nodes, in no order.
    pub fn all(&self) -> Vec<Arc<Node>> {
        self.read().nodes.values().cloned().collect()
    }

    /// Whether a name is taken.
    pub fn name_taken(&self, name: &NodeName) -> bool {
        self.read().names.contains_key(name)
    }

    /// The operations and comparisons that create a record; see [`Registry::created`].
    pub fn create_ops(record: &NodeRecord) -> (Vec<Compare>, Vec<Op>) {
        let node = records::node_key(record.id);
        let name = records::name_key(&record.name);
        let key = records::enrolled_key_key(record.enrolled_key);
        let id = record.id.to_string().into_bytes();
        (
            [&node, &name, &key].map(Compare::absent).to_vec(),
            vec![
                Op::put(node, records::write(record)),
                Op::put(name, id.clone()),
                Op::put(key, id),
            ],
        )
    }

    /// The operations and comparisons that replace a record read at `before`.
    pub fn replace_ops(
        before: &Versioned<NodeRecord>,
        after: &NodeRecord,
    ) -> (Vec<Compare>, Vec<Op>) {
        let key = records::node_key(after.id);
        let mut ops = vec![Op::put(key.clone(), records::write(after))];
        // Only the change itself frees the name: later ones find it with a successor.
        let leaves = before.value.admission != Admission::Decommissioned
            && after.admission == Admission::Decommissioned;
        if leaves {
            ops.push(Op::delete(records::name_key(&after.name)));
        }
        (vec![Compare::modified_at(key, before.revision)], ops)
    }

    /// Takes over a record that a transaction has written. Harmless when repeated.
    ///
    /// # Errors
    /// When the store cannot be read back.
    pub async fn refresh(&self, id: NodeId, now: Timestamp) -> Result<Arc<Node>, RegistryError> {
        let key = records::node_key(id);
        let kv = self.store.get(&key).await?;
        let kv = kv.ok_or_else(|| RegistryError::NotFound(id.to_string()))?;
        let value: NodeRecord = records::read(&key, &kv.value)?;
        let record = Versioned {
            value,
            revision: kv.mod_revision,
        };
        Ok(self.take_over(record, now))
    }

    /// Takes over a record that was read. What was read earlier may come later, and then says
    /// nothing: its name may belong to a successor by now.
    fn take_over(&self, record: Versioned<NodeRecord>, now: Timestamp) -> Arc<Node> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let r = &record.value;
        let (id, name, key) = (r.id, r.name.clone(), r.enrolled_key);
        let gone = r.admission == Admission::Decommissioned;
        let node = match inner.nodes.get(&id).map(Arc::clone) {
            Some(node) => {
                if !node.set_record(record) {
                    return node;
                }
                node
            }
            None => {
                let node = Arc::new(Node::new(record, SeenRecord::default(), now));
                inner.nodes.insert(id, Arc::clone(&node));
                node
            }
        };
        if !gone {
            inner.names.insert(name, id);
        } else if inner.names.get(&name) == Some(&id) {
            inner.names.remove(&name);
        }
        inner.keys.insert(key, id);
        node
    }

    /// Changes a record by the coordinator's own doing (a certificate used, a clone seen).
    /// `change` answers whether there is anything to write; it may run several times.
    ///
    /// # Errors
    /// When the store refuses, or others keep changing the record.
    pub async fn update(
        &self,
        id: NodeId,
        now: Timestamp,
        mut change: impl FnMut(&mut NodeRecord) -> bool + Send,
    ) -> Result<Arc<Node>, RegistryError> {
        let mut node = self
            .by_id(id)
            .ok_or_else(|| RegistryError::NotFound(id.to_string()))?;
        for _ in 0..TRIES {
            let before = node.record();
            let mut after = before.value.clone();
            if !change(&mut after) {
                return Ok(node);
            }
            let (compares, ops) = Self::replace_ops(&before, &after);
            let result = self.store.txn(Txn::when(compares).then(ops)).await?;
            node = self.refresh(id, now).await?;
            if result.succeeded {
                return Ok(node);
            }
        }
        Err(RegistryError::Contended {
            name: node.record().value.name.clone(),
        })
    }

    /// Stores which certificate was used, and what sessions leave behind, as far as the store does
    /// not have it. Harmless when repeated.
    ///
    /// # Errors
    /// When the store refuses; then it is still to be stored.
    pub async fn store_start(&self, node: &Node, now: Timestamp) -> Result<(), RegistryError> {
        if let Some(used) = node.used() {
            self.update(node.id, now, |r| r.acknowledge(&used)).await?;
        }
        let mut left = node.unstored_seen();
        while let Some((seen, change)) = left {
            let op = Op::put(records::seen_key(node.id), records::write(&seen));
            self.store.txn(Txn::default().then([op])).await?;
            // An older value may have come after a newer one: the last writer looks again.
            left = node.seen_stored(change);
        }
        Ok(())
    }
}

/// A section as stored: the JSON stays as it came, byte for byte, so that its digest holds.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct StoredSection {
    pub digest: Digest,
    pub at: Timestamp,
    pub body: Box<serde_json::value::RawValue>,
}

fn parse_section_key(key: &str) -> Option<(NodeId, SectionKind)> {
    let (node, kind) = key.strip_prefix(records::SECTIONS)?.split_once('/')?;
    let kind = SectionKind::ALL.into_iter().find(|k| k.as_str() == kind)?;
    Some((node.parse().ok()?, kind))
}
