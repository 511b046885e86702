//! Sections on their way into the store.
//!
//! Sessions hand sections in and go on reading beats; workers write them. At most one body of a
//! kind waits per node (the latest), so the queue is bounded by the fleet, whatever the store
//! does. One worker at a time writes for a node: what came last stays last.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use h8lio_model::condition::Condition;
use h8lio_model::ids::NodeId;
use h8lio_model::section::{Section, SectionKind};
use tokio::sync::{Notify, Semaphore};

use super::{diff, inventory};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::maintenance::Maintenance;
use crate::registry::records::{self, section_key};
use crate::registry::{Node, Registry, StoredSection};
use crate::session::table::Open;
use crate::store::{Op, Txn};

/// Nodes written at the same time; their transactions share commits.
const PARALLEL: usize = 64;

/// The queue and its workers.
#[derive(Debug)]
pub struct Ingest {
    registry: Arc<Registry>,
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    /// Plans depend on what ledgers say.
    maintenance: Arc<Maintenance>,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<NodeId>,
    waiting: HashMap<NodeId, Waiting>,
    /// Nodes for which a worker writes; what comes meanwhile waits for it.
    writing: HashSet<NodeId>,
}

#[derive(Debug)]
struct Waiting {
    session: Arc<Open>,
    sections: BTreeMap<SectionKind, Section>,
}

impl Ingest {
    /// An empty queue.
    pub fn new(
        registry: Arc<Registry>,
        feed: Arc<Feed>,
        clock: Arc<dyn Clock>,
        maintenance: Arc<Maintenance>,
    ) -> Arc<Self> {
        let (queue, wake) = (Mutex::default(), Notify::new());
        Arc::new(Self {
            registry,
            feed,
            clock,
            maintenance,
            queue,
            wake,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a section of a node; a waiting one of the same kind is superseded.
    pub fn submit(&self, node: NodeId, session: &Arc<Open>, section: Section) {
        let mut queue = self.lock();
        match queue.waiting.get_mut(&node) {
            Some(waiting) => {
                waiting.session = Arc::clone(session);
                waiting.sections.insert(section.kind, section);
            }
            None => {
                let sections = BTreeMap::from([(section.kind, section)]);
                queue.waiting.insert(
                    node,
                    Waiting {
                        session: Arc::clone(session),
                        sections,
                    },
                );
                if !queue.writing.contains(&node) {
                    queue.order.push_back(node);
                }
            }
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// The worker of `node` is done: what came meanwhile takes its place in the line.
    fn finish(&self, node: NodeId) {
        let mut queue = self.lock();
        queue.writing.remove(&node);
        if queue.waiting.contains_key(&node) {
            queue.order.push_back(node);
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Nodes whose sections wait.
    pub fn backlog(&self) -> usize {
        self.lock().waiting.len()
    }

    fn next(&self) -> Option<(NodeId, Waiting)> {
        let mut queue = self.lock();
        let node = queue.order.pop_front()?;
        let waiting = queue.waiting.remove(&node)?;
        queue.writing.insert(node);
        Some((node, waiting))
    }

    /// Writes what is handed in, until dropped.
    pub async fn run(self: Arc<Self>) {
        let room = Arc::new(Semaphore::new(PARALLEL));
        loop {
            self.wake.notified().await;
            loop {
                // The place is taken before the work: what waits can still be superseded.
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                    return;
                };
                let Some((node, waiting)) = self.next() else {
                    break;
                };
                let this = Arc::clone(&self);
                tokio::spawn(async move {
                    let turn = Turn {
                        ingest: &this,
                        node,
                    };
                    this.write(node, waiting).await;
                    drop((turn, permit));
                });
            }
        }
    }

    async fn write(&self, node: NodeId, waiting: Waiting) {
        let Some(node) = self.registry.by_id(node) else {
            return;
        };
        let (mut received, mut refused) = (Vec::new(), Vec::new());
        for section in waiting.sections.into_values() {
            let (kind, digest) = (section.kind, section.digest);
            match self.write_one(&node, section).await {
                Ok(()) => {
                    waiting.session.told(kind);
                    received.push((kind, digest));
                }
                Err(why) => {
                    tracing::warn!(node = %node.record().value.name, section = %kind, why, "section refused");
                    refused.push((kind, why));
                }
            }
        }
        if received
            .iter()
            .any(|(kind, _)| *kind == SectionKind::Orders)
        {
            self.maintenance.wake();
        }
        waiting.session.receipt(&received, refused);
    }

    async fn write_one(&self, node: &Node, section: Section) -> Result<(), String> {
        let kind = section.kind;
        inventory::check(kind, &section.body).map_err(|e| e.to_string())?;
        let at = self.clock.now();
        if !kind.is_durable() {
            node.set_volatile(kind, section.body.into());
            node.set_digest(kind, section.digest, at);
            return Ok(());
        }
        let key = section_key(node.id, kind);
        let store = self.registry.store();
        let old = match store.get(&key).await.map_err(|e| e.to_string())? {
            Some(kv) => records::read::<StoredSection>(&key, &kv.value).ok(),
            None => None,
        };
        let text = String::from_utf8(section.body).map_err(|e| e.to_string())?;
        let body = serde_json::value::RawValue::from_string(text).map_err(|e| e.to_string())?;
        let old_body = old.as_ref().map(|o| o.body.get().as_bytes());
        let events =
            diff::diff(kind, old_body, body.get().as_bytes()).map_err(|e| e.to_string())?;
        let stored = StoredSection {
            digest: section.digest,
            at,
            body,
        };
        let op = Op::put(key, records::write(&stored));
        store
            .txn(Txn::default().then([op]))
            .await
            .map_err(|e| e.to_string())?;
        node.set_digest(kind, section.digest, at);
        remember(node, kind, stored.body.get().as_bytes());
        let name = node.record().value.name.clone();
        for e in events {
            self.feed
                .node(e.severity, e.reason, node.id, &name, e.message);
        }
        Ok(())
    }
}

/// A worker's turn at a node; over when it is dropped, also by a panic.
struct Turn<'a> {
    ingest: &'a Ingest,
    node: NodeId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.ingest.finish(self.node);
    }
}

/// Keeps in memory what lists show: conditions and clusters.
pub fn remember(node: &Node, kind: SectionKind, body: &[u8]) {
    match kind {
        SectionKind::Conditions => {
            // Checked before it was stored.
            if let Ok(conditions) = serde_json::from_slice::<Vec<Condition>>(body) {
                node.set_conditions(conditions);
            }
        }
        SectionKind::Runtime | SectionKind::Osds => {
            let one = [(kind, body, jiff::Timestamp::UNIX_EPOCH)];
            let (facts, _) = inventory::assemble(one);
            let found = inventory::clusters(&facts);
            node.update_clusters(|c| match kind {
                SectionKind::Runtime => c.kubernetes = found.kubernetes,
                _ => c.ceph_fsid = found.ceph_fsid,
            });
        }
        _ => {}
    }
}
