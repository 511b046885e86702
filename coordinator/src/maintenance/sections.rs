//! The sections that plans are made from, read and understood once for each content.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use h8lio_model::ids::NodeId;
use h8lio_model::inventory::{ManagerFacts, OsFacts, OsdFacts, PackageFacts, RuntimeFacts};
use h8lio_model::order::OrderReport;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_planner::inventory::Fact;
use jiff::Timestamp;

use super::patience::patiently;
use crate::gather::inventory;
use crate::registry::records::{self, section_key};
use crate::registry::{Node, StoredSection};
use crate::store::{Store, StoreError};

/// Nodes whose sections are read at the same time.
const PARALLEL: usize = 32;

/// Stored sections that a plan looks at.
const KINDS: [SectionKind; 5] = [
    SectionKind::Os,
    SectionKind::Packages,
    SectionKind::Osds,
    SectionKind::Runtime,
    SectionKind::Managers,
];

/// What the sections of one node say, each as old as its last confirmation. What is not there was
/// never reported, or cannot be understood.
#[derive(Debug, Clone, Default)]
pub(super) struct Sections {
    pub os: Option<Fact<Arc<OsFacts>>>,
    pub packages: Option<Fact<Arc<PackageFacts>>>,
    pub osds: Option<Fact<Arc<OsdFacts>>>,
    pub runtime: Option<Fact<Arc<RuntimeFacts>>>,
    pub managers: Option<Fact<Arc<ManagerFacts>>>,
}

/// A section that was understood.
#[derive(Debug, Clone)]
enum Read {
    Os(Arc<OsFacts>),
    Packages(Arc<PackageFacts>),
    Osds(Arc<OsdFacts>),
    Runtime(Arc<RuntimeFacts>),
    Managers(Arc<ManagerFacts>),
    /// It says nothing that could be believed.
    Nothing,
}

#[derive(Debug, Clone)]
struct Kept {
    /// Of the content that was read.
    digest: Digest,
    /// When the store took it.
    at: Timestamp,
    read: Read,
}

/// The sections of all nodes, by the digests of what they were read from.
#[derive(Debug, Default)]
pub(super) struct Cache {
    stored: BTreeMap<NodeId, BTreeMap<SectionKind, Kept>>,
    orders: BTreeMap<NodeId, (Digest, Option<OrderReport>)>,
}

impl Cache {
    /// Reads what has changed of these nodes, and forgets all others.
    ///
    /// # Errors
    /// When the store cannot be read; what is kept stays as it was.
    pub(super) async fn refresh(
        &mut self,
        store: &dyn Store,
        nodes: &[Arc<Node>],
    ) -> Result<(), StoreError> {
        let known: BTreeSet<NodeId> = nodes.iter().map(|n| n.id).collect();
        self.stored.retain(|id, _| known.contains(id));
        self.orders.retain(|id, _| known.contains(id));
        let changed = nodes.iter().flat_map(|node| {
            let changed = KINDS.into_iter().filter(|kind| {
                let here = self.kept(node.id, *kind).map(|kept| kept.digest);
                node.digest(*kind).is_some_and(|now| Some(now) != here)
            });
            changed.map(|kind| (node.id, kind)).collect::<Vec<_>>()
        });
        let changed: Vec<_> = changed.collect();
        let mut read = stream::iter(changed)
            .map(|(id, kind)| async move { (id, kind, from_store(store, id, kind).await) })
            .buffer_unordered(PARALLEL);
        while let Some((id, kind, kept)) = read.next().await {
            if let Some(kept) = kept? {
                self.stored.entry(id).or_default().insert(kind, kept);
            }
        }
        Ok(())
    }

    fn kept(&self, id: NodeId, kind: SectionKind) -> Option<&Kept> {
        self.stored.get(&id)?.get(&kind)
    }

    /// What is known of a node, as fresh as it was last confirmed.
    pub(super) fn sections(&self, node: &Node) -> Sections {
        let confirmed: BTreeMap<_, _> = node.observed().into_iter().collect();
        let mut sections = Sections::default();
        for (kind, kept) in self.stored.get(&node.id).into_iter().flatten() {
            let is_held = node.digest(*kind) == Some(kept.digest);
            let confirmed = confirmed.get(kind).filter(|_| is_held);
            sections.place(kept.read.clone(), *confirmed.unwrap_or(&kept.at));
        }
        sections
    }

    /// What the node's ledger says, and when it last said so.
    pub(super) fn orders(&mut self, node: &Node) -> Option<Fact<OrderReport>> {
        let kind = SectionKind::Orders;
        // The digest first: a body that comes in between is newer than it, never older.
        let digest = node.digest(kind)?;
        let at = node.observed().into_iter().find(|(k, _)| *k == kind)?.1;
        let known = self.orders.get(&node.id).filter(|(d, _)| *d == digest);
        let report = match known {
            Some((_, report)) => report.clone(),
            None => {
                let report = inventory::orders(&node.volatile(kind)?).ok();
                self.orders.insert(node.id, (digest, report.clone()));
                report
            }
        };
        Some(Fact::new(report?, at))
    }
}

impl Sections {
    fn place(&mut self, read: Read, at: Timestamp) {
        match read {
            Read::Os(facts) => self.os = Some(Fact::new(facts, at)),
            Read::Packages(facts) => self.packages = Some(Fact::new(facts, at)),
            Read::Osds(facts) => self.osds = Some(Fact::new(facts, at)),
            Read::Runtime(facts) => self.runtime = Some(Fact::new(facts, at)),
            Read::Managers(facts) => self.managers = Some(Fact::new(facts, at)),
            Read::Nothing => {}
        }
    }
}

async fn from_store(
    store: &dyn Store,
    id: NodeId,
    kind: SectionKind,
) -> Result<Option<Kept>, StoreError> {
    let key = section_key(id, kind);
    let Some(kv) = patiently(store.get(&key)).await? else {
        return Ok(None);
    };
    let stored: StoredSection = match records::read(&key, &kv.value) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(%error, "a section that cannot be read counts as not there");
            return Ok(None);
        }
    };
    let StoredSection { digest, at, body } = stored;
    let read = understand(kind, body.get().as_bytes());
    Ok(Some(Kept { digest, at, read }))
}

fn understand(kind: SectionKind, body: &[u8]) -> Read {
    let read = match kind {
        SectionKind::Os => inventory::parse(kind, body).map(|f| Read::Os(Arc::new(f))),
        SectionKind::Packages => inventory::parse(kind, body).map(|f| Read::Packages(Arc::new(f))),
        SectionKind::Osds => inventory::parse(kind, body).map(|f| Read::Osds(Arc::new(f))),
        SectionKind::Runtime => inventory::parse(kind, body).map(|f| Read::Runtime(Arc::new(f))),
        SectionKind::Managers => inventory::parse(kind, body).map(|f| Read::Managers(Arc::new(f))),
        _ => Ok(Read::Nothing),
    };
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "a section that cannot be understood counts as not there");
        Read::Nothing
    })
}
