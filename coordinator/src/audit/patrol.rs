//! Walks the whole log now and then, so that an entry that was edited shows although nobody asks:
//! witnesses remember only the head.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::audit::AuditHead;
use h8lio_model::event::Severity;

use super::AuditLog;
use crate::clock::Clock;
use crate::feed::Feed;
use crate::registry::Registry;

/// After the start: first the fleet comes back.
const FIRST: Duration = Duration::from_secs(30);
/// And then.
const EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a patrol needs.
#[derive(Debug)]
pub struct Patrol {
    pub audit: Arc<AuditLog>,
    pub registry: Arc<Registry>,
    pub feed: Arc<Feed>,
    pub clock: Arc<dyn Clock>,
}

/// What every agent remembers of the log: the agent's name and the head.
pub fn witnesses(registry: &Registry) -> Vec<(String, AuditHead)> {
    let all = registry.all().into_iter();
    all.filter_map(|node| {
        let head = node.seen().audit_head?;
        Some((format!("node {}", node.record().value.name), head))
    })
    .collect()
}

impl Patrol {
    /// Walks soon after the start and once a day, for ever.
    pub async fn run(self) {
        let mut due = self.clock.mono() + FIRST;
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.clock.mono();
            if now >= due {
                due = now + EVERY;
                told = self.walk(told).await;
            }
        }
    }

    /// Walks once; raises an alert unless it is the one that was `told`. Answers what is told now.
    async fn walk(&self, told: String) -> String {
        let faults = match self.audit.verify(witnesses(&self.registry)).await {
            Ok(faults) => faults,
            Err(error) => {
                tracing::warn!(%error, "the audit log cannot be checked; trying again tomorrow");
                return told;
            }
        };
        let Some(first) = faults.first() else {
            tracing::info!("the audit log is whole");
            return String::new();
        };
        let more = match faults.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let message = format!(
            "the audit log is damaged: {first}{more}; run `h8lctl audit verify` and find out who had access to the store"
        );
        if message != told {
            self.feed
                .fleet(Severity::Alert, "AuditLogDamaged", message.clone());
        }
        message
    }
}
