//! Setting an identity aside when two servers seem to use it. Its workload is not touched: no new
//! acts, no reports believed, until a person has found the copy.

use std::sync::{Arc, Weak};
use std::time::Duration;

use h8lio_model::event::Severity;
use h8lio_model::lifecycle::{Admission, Quarantined};

use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::bans::{BanFile, BanFileError, Word};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::registry::{Held, Node, Registry, RegistryError};
use crate::session::table::SessionTable;

/// How often a record that others change is tried again.
const TRIES: usize = 16;
/// How long who is refused waits for the store.
const WAIT: Duration = Duration::from_secs(2);
/// First and longest pause between two attempts to store.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The parts that a quarantine needs.
#[derive(Debug)]
pub struct Quarantine {
    pub registry: Arc<Registry>,
    pub table: Arc<SessionTable>,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
    pub audit: Arc<AuditLog>,
    pub bans: Arc<BanFile>,
}

/// Why a quarantine does not stand in the store.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error(transparent)]
    Held(#[from] Held),
    #[error(transparent)]
    Audit(AuditError),
    #[error(transparent)]
    Registry(RegistryError),
    #[error(transparent)]
    Bans(#[from] BanFileError),
}

impl Quarantine {
    /// Quarantines `node` and tells everybody, once: an identity that is quarantined already keeps
    /// its first reason, and a copy that keeps knocking does not fill the event log. In force from
    /// the first moment; the store gets it as soon as it takes it.
    pub async fn set(self: &Arc<Self>, node: &Arc<Node>, why: &str) {
        let quarantined = Quarantined {
            reason: why.to_owned(),
            at: self.clock.now(),
        };
        if !node.set_aside(quarantined) {
            return;
        }
        let name = node.record().value.name.clone();
        let message = format!(
            "node {name} is quarantined: {why}; its workload stays as it is; find the copy, then `h8lctl node approve {name}`"
        );
        self.feed
            .node(Severity::Alert, "IdentityCloned", node.id, &name, message);
        self.table.restrict(node.id, Some(why.to_owned()));
        // Cancel-safe: what is written after all is found when it is tried again.
        let why = match tokio::time::timeout(WAIT, self.store(node)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        tracing::error!(%name, error = %why, "cannot store the quarantine; it is in force all the same, and storing is tried again");
        tokio::spawn(keep_storing(Arc::downgrade(self), Arc::clone(node)));
    }

    /// Writes it with its audit entry, in one transaction, unless it stands there or was ended.
    async fn store(&self, node: &Node) -> Result<(), NotStored> {
        let mut left = TRIES;
        let _turn = self.bans.turn().await;
        while let Some(quarantined) = node.to_store()? {
            let before = node.record();
            let r = &before.value;
            if r.quarantined.is_some() || r.admission == Admission::Decommissioned {
                break;
            }
            let word = Word::Quarantine {
                node: node.id,
                name: r.name.clone(),
                quarantined: quarantined.clone(),
            };
            self.bans.noted(word).await?;
            let draft = entry(&r.name.to_string(), &quarantined);
            let mut after = r.clone();
            after.quarantined = Some(quarantined);
            let (compares, ops) = Registry::replace_ops(&before, &after);
            let done = self.audit.append(draft, ops, compares).await;
            let refreshed = self.registry.refresh(node.id, self.clock.now()).await;
            match done {
                Ok(_) => {
                    refreshed.map_err(NotStored::Registry)?;
                    break;
                }
                Err(AuditError::Conflict { .. }) if left > 0 => left -= 1,
                Err(e) => return Err(NotStored::Audit(e)),
            }
        }
        node.end_aside();
        Ok(())
    }
}

/// Tries until it is stored, is ended, or the coordinator stops.
async fn keep_storing(quarantine: Weak<Quarantine>, node: Arc<Node>) {
    let mut pause = PAUSE.0;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
        let Some(this) = quarantine.upgrade() else {
            return;
        };
        if this.store(&node).await.is_ok() {
            return;
        }
    }
}

fn entry(name: &str, quarantined: &Quarantined) -> AuditDraft {
    AuditDraft {
        at: quarantined.at,
        actor: "coordinator".to_owned(),
        action: "node.quarantine".to_owned(),
        target: format!("node/{name}"),
        reason: quarantined.reason.clone(),
        ticket: None,
        request_id: String::new(),
        request: serde_json::json!({ "node": name }).to_string(),
    }
}
