//! Agents as witnesses of the audit log: what an agent remembers of the log's head is compared
//! with the log when it says Hello. A log that was cut or rewritten while no coordinator ran is
//! thus noticed without anybody asking for it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use h8lio_model::audit::AuditHead;
use h8lio_model::event::Severity;
use h8lio_model::ids::NodeId;

use crate::audit::AuditLog;
use crate::feed::Feed;
use crate::registry::Node;

/// Compares, and raises one alert for each witness in the life of this coordinator.
#[derive(Debug)]
pub struct Witnesses {
    audit: Arc<AuditLog>,
    feed: Arc<Feed>,
    told: Mutex<HashSet<NodeId>>,
}

/// What is wrong, as the event says it.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    reason: &'static str,
    what: String,
}

impl Witnesses {
    /// Nobody heard yet.
    pub fn new(audit: Arc<AuditLog>, feed: Arc<Feed>) -> Self {
        Self {
            audit,
            feed,
            told: Mutex::default(),
        }
    }

    /// Hears what `node` remembers.
    pub async fn hear(&self, node: &Node, remembers: AuditHead) {
        let Some(fault) = self.compare(remembers).await else {
            return;
        };
        let first = self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(node.id);
        if !first {
            return;
        }
        let name = node.record().value.name.clone();
        let message = format!(
            "{}, as node {name} remembers it; run `h8lctl audit verify` and find out who had access to the store (a restored backup looks like this, too)",
            fault.what
        );
        self.feed
            .node(Severity::Alert, fault.reason, node.id, &name, message);
    }

    async fn compare(&self, remembers: AuditHead) -> Option<Fault> {
        if remembers.seq == 0 {
            return None;
        }
        let last = self.audit.heads().borrow().seq;
        let seq = remembers.seq;
        if seq > last {
            let what = format!("the audit log ends at entry {last} and had an entry {seq}");
            return Some(Fault {
                reason: "AuditLogCut",
                what,
            });
        }
        let found = match self.audit.read(seq, 1).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, seq, "an audit entry cannot be compared with what an agent remembers");
                return None;
            }
        };
        let same = found.first().is_some_and(|e| {
            e.seq == seq && e.hash == remembers.hash && e.compute_hash() == remembers.hash
        });
        let what = format!("audit entry {seq} is not the one that was written");
        (!same).then_some(Fault {
            reason: "AuditLogRewritten",
            what,
        })
    }
}
