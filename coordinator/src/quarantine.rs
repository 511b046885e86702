//! Setting an identity aside when two servers seem to use it. Its workload is not touched: no new
//! acts, no reports believed, until a person has found the copy.

use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_model::lifecycle::Quarantined;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::registry::{Node, Registry};
use crate::session::table::SessionTable;

/// The parts that a quarantine needs.
#[derive(Debug)]
pub struct Quarantine {
    pub registry: Arc<Registry>,
    pub table: Arc<SessionTable>,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
}

impl Quarantine {
    /// Quarantines `node` and tells everybody, once: an identity that is quarantined already keeps
    /// its first reason, and a copy that keeps knocking does not fill the event log.
    pub async fn set(&self, node: &Node, why: &str) {
        if node.record().value.quarantined.is_some() {
            return;
        }
        let at = self.clock.now();
        let result = self
            .registry
            .update(node.id, at, |r| {
                if r.quarantined.is_some() {
                    return false;
                }
                r.quarantined = Some(Quarantined {
                    reason: why.to_owned(),
                    at,
                });
                true
            })
            .await;
        let name = node.record().value.name.clone();
        if let Err(error) = result {
            tracing::error!(%name, %error, "cannot store the quarantine; the session is refused all the same");
        }
        let message = format!(
            "node {name} is quarantined: {why}; its workload stays as it is; find the copy, then `h8lctl node approve {name}`"
        );
        self.feed
            .node(Severity::Alert, "IdentityCloned", node.id, &name, message);
        self.table.restrict(node.id, Some(why.to_owned()));
    }
}
