//! When the coordinator decides nothing.

use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_model::lifecycle::{Admission, Availability};

use super::Driver;
use crate::recovery::Lost;
use crate::registry::Node;

/// Why nothing is decided and nothing sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Frozen {
    #[error("{0}")]
    Lost(Lost),
    #[error("the store cannot be relied on: {0}")]
    Store(String),
    #[error(
        "only {online} of {of} servers are online, so the coordinator may be cut off from the fleet"
    )]
    CutOff { online: usize, of: usize },
}

impl Frozen {
    /// Other words about the same are no news.
    fn is_as(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    const fn severity(&self) -> Severity {
        match self {
            Self::Lost(_) => Severity::Alert,
            Self::Store(_) | Self::CutOff { .. } => Severity::Warning,
        }
    }
}

impl Driver {
    /// The first reason there is.
    pub(super) fn freeze(&self, nodes: &[Arc<Node>]) -> Option<Frozen> {
        let lost = self.parts.recovery.lost().map(Frozen::Lost);
        let store = || {
            let watched = self.parts.health.trouble(self.parts.clock.mono());
            let own = self.trouble.clone();
            let unsettled = || {
                let words = "what became of the last write of a plan is not known yet";
                self.plans.is_unsettled().then(|| words.to_owned())
            };
            own.or(watched).or_else(unsettled).map(Frozen::Store)
        };
        lost.or_else(store).or_else(|| self.cut_off(nodes))
    }

    /// Fewer than half of the servers are heard. Those with a slot are meant to be away.
    fn cut_off(&self, nodes: &[Arc<Node>]) -> Option<Frozen> {
        let slots = &self.plans.current().content().slots;
        let expected = nodes.iter().filter(|node| {
            let record = node.record();
            record.value.admission == Admission::Enrolled
                && record.value.banned.is_none()
                && !slots.contains_key(&node.id)
        });
        let (mut online, mut of) = (0, 0);
        for node in expected {
            of += 1;
            online += usize::from(node.verdict().availability == Availability::Online);
        }
        (online * 2 < of).then_some(Frozen::CutOff { online, of })
    }

    /// One event when it freezes, and one when it thaws.
    pub(super) fn say_frozen(&mut self, now: Option<&Frozen>) {
        let feed = &self.parts.feed;
        match (&self.frozen, now) {
            (Some(before), Some(now)) if before.is_as(now) => {}
            (_, Some(now)) => {
                let message = format!(
                    "the coordinator is frozen: {now}; servers go on as they are, and nothing new \
                     is begun"
                );
                feed.fleet(now.severity(), "CoordinatorFrozen", message);
            }
            (Some(before), None) => {
                let message = format!("the coordinator decides again; it was frozen: {before}");
                feed.fleet(Severity::Info, "CoordinatorThawed", message);
            }
            (None, None) => {}
        }
        self.frozen = now.cloned();
    }
}
