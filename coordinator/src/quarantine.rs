//! Setting an identity aside when two servers seem to use it. Its workload is not touched: no new
//! acts, no reports believed, until a person has found the copy.

use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_model::lifecycle::Quarantined;
use jiff::Timestamp;

use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::registry::{Node, Registry, RegistryError};
use crate::session::table::SessionTable;

/// How often a record that others change is tried again.
const TRIES: usize = 16;

/// The parts that a quarantine needs.
#[derive(Debug)]
pub struct Quarantine {
    pub registry: Arc<Registry>,
    pub table: Arc<SessionTable>,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub audit: Arc<AuditLog>,
}

/// Why a quarantine does not stand in the store.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error(transparent)]
    Audit(AuditError),
    #[error(transparent)]
    Registry(RegistryError),
}

impl Quarantine {
    /// Quarantines `node` and tells everybody, once: an identity that is quarantined already keeps
    /// its first reason, and a copy that keeps knocking does not fill the event log.
    pub async fn set(&self, node: &Node, why: &str) {
        let name = node.record().value.name.clone();
        match self.store(node, why).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%name, %error, "cannot store the quarantine; the session is refused all the same");
            }
        }
        let message = format!(
            "node {name} is quarantined: {why}; its workload stays as it is; find the copy, then `h8lctl node approve {name}`"
        );
        self.feed
            .node(Severity::Alert, "IdentityCloned", node.id, &name, message);
        self.table.restrict(node.id, Some(why.to_owned()));
    }

    /// Writes it with its audit entry, in one transaction; `false` when it stands there already.
    async fn store(&self, node: &Node, why: &str) -> Result<bool, NotStored> {
        let at = self.clock.now();
        let mut left = TRIES;
        loop {
            let before = node.record();
            if before.value.quarantined.is_some() {
                return Ok(false);
            }
            let mut after = before.value.clone();
            let reason = why.to_owned();
            after.quarantined = Some(Quarantined { reason, at });
            let (compares, ops) = Registry::replace_ops(&before, &after);
            let draft = entry(&before.value.name.to_string(), why, at);
            let done = self.audit.append(draft, ops, compares).await;
            let refreshed = self.registry.refresh(node.id, at).await;
            match done {
                Ok(_) => return refreshed.map(|_| true).map_err(NotStored::Registry),
                Err(AuditError::Conflict { .. }) if left > 0 => left -= 1,
                Err(e) => return Err(NotStored::Audit(e)),
            }
        }
    }
}

fn entry(name: &str, why: &str, at: Timestamp) -> AuditDraft {
    AuditDraft {
        at,
        actor: "coordinator".to_owned(),
        action: "node.quarantine".to_owned(),
        target: format!("node/{name}"),
        reason: why.to_owned(),
        ticket: None,
        request_id: String::new(),
        request: serde_json::json!({ "node": name }).to_string(),
    }
}
