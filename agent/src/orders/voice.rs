//! What the rest of the world hears of orders: the section, conditions and the log.

use std::sync::Arc;

use h8lio_model::condition::ConditionType;
use h8lio_model::order::OrderReport;
use h8lio_model::section::{Section, SectionKind};
use tokio::sync::watch;

use super::Setup;
use crate::clock::SharedClock;
use crate::ledger::Listener;
use crate::report::Shared;
use crate::report::board::Board;
use crate::session::outbox::{Held, Sections};

/// Of [`ConditionType::ProbeFailed`]: the ledger cannot be opened.
pub(super) const LEDGER: &str = "ledger";
/// An order was not understood, or cannot be written down.
pub(super) const ORDER: &str = "order";
/// The attempt that is ordered or runs does not go on.
pub(super) const ATTEMPT: &str = "attempt";
/// A countdown that was armed for a boot goes on, and will reset the server.
pub(super) const WATCHDOG: &str = "bmc-watchdog";

/// Raises and clears conditions; a new one is logged, once.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    board: Arc<Board>,
    clock: SharedClock,
}

impl Voice {
    pub(super) fn of(setup: &Setup) -> Self {
        Self {
            board: Arc::clone(&setup.board),
            clock: Arc::clone(&setup.clock),
        }
    }

    pub(super) fn complain(&self, subject: &str, reason: &str, message: String) {
        let kind = ConditionType::ProbeFailed;
        let stands = self.board.standing();
        let said = stands
            .iter()
            .any(|c| c.key() == (kind, subject) && c.message == message);
        if !said {
            tracing::warn!("{message}");
        }
        let now = self.clock.now().wall;
        self.board.raise(kind, subject, reason, message, now);
    }

    pub(super) fn clear(&self, subject: &str) {
        self.board.clear(ConditionType::ProbeFailed, subject);
    }
}

/// Publishes what the ledger says.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) sections: watch::Sender<Sections>,
    pub(super) shared: Arc<Shared>,
}

impl Listener for Publisher {
    fn says(&self, report: &OrderReport) {
        let section = match Section::encode(SectionKind::Orders, report) {
            Ok(section) => section,
            // A report has string keys only: this cannot happen.
            Err(e) => return tracing::error!("section orders cannot be encoded: {e}"),
        };
        let held = Arc::new(Held {
            section,
            fresh: true,
        });
        self.shared.set_last_ended(report.last_ended);
        self.sections.send_if_modified(|sections| {
            let changed = sections.get(&SectionKind::Orders) != Some(&held);
            if changed {
                Arc::make_mut(sections).insert(SectionKind::Orders, held);
            }
            changed
        });
    }
}
