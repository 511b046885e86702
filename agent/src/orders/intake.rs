//! Takes orders as they come: text → [`NodeOrder`] → ledger.

use std::sync::Arc;

use h8lio_model::order::NodeOrder;
use tokio::sync::watch;

use super::voice::{ORDER, Voice};
use crate::clock::{Moment, SharedClock};
use crate::ledger::book::{Accepted, NotNow};
use crate::ledger::{Ledger, LedgerError};
use crate::report::{CoordinatorNow, Shared};
use crate::walk::Between;
use crate::words::plain;

/// An order that is no order.
#[derive(Debug, thiserror::Error)]
#[error(
    "the coordinator's order cannot be understood ({why}), so nothing of it is done; where the \
     coordinator is newer than this agent, upgrade h8lio-agent"
)]
pub(super) struct NotUnderstood {
    why: String,
}

/// Half an order is none: a field that is not known refuses all of it.
pub(super) fn read(body: &[u8]) -> Result<NodeOrder, NotUnderstood> {
    serde_json::from_slice(body).map_err(|e| NotUnderstood {
        why: plain(&e.to_string()),
    })
}

/// Where orders come in.
#[derive(Debug)]
pub(super) struct Intake {
    come: watch::Receiver<Option<Vec<u8>>>,
    clock: SharedClock,
    voice: Voice,
    /// Understood, and not written down yet.
    waits: Option<NodeOrder>,
    stopped: watch::Receiver<bool>,
    shared: Arc<Shared>,
}

impl Intake {
    pub(super) fn new(
        mut come: watch::Receiver<Option<Vec<u8>>>,
        clock: SharedClock,
        voice: Voice,
        stopped: watch::Receiver<bool>,
        shared: Arc<Shared>,
    ) -> Self {
        // One that came before is as new as any.
        come.mark_changed();
        Self {
            come,
            clock,
            voice,
            waits: None,
            stopped,
            shared,
        }
    }

    /// Whether an order could not be written down and is tried again.
    pub(super) const fn is_behind(&self) -> bool {
        self.waits.is_some()
    }

    /// The newest order, if one has come since the last look.
    fn newest(&mut self) -> Option<NodeOrder> {
        if !self.come.has_changed().unwrap_or(false) {
            return None;
        }
        let body = self.come.borrow_and_update().clone()?;
        match read(&body) {
            Ok(order) => Some(order),
            Err(e) => {
                self.voice.complain(ORDER, "NotUnderstood", e.to_string());
                None
            }
        }
    }

    fn hand_in(&mut self, order: NodeOrder, ledger: &mut Ledger) {
        let number = order.number();
        match ledger.accept(&order, self.clock.now().wall) {
            Ok(accepted) => {
                self.voice.clear(ORDER);
                match accepted {
                    Accepted::Effective => tracing::info!("order {number} is followed"),
                    Accepted::Pending(point) => {
                        tracing::info!("order {number} waits; the running step has to {point}");
                    }
                    Accepted::Repeat => {}
                }
            }
            // It stands in the report, with its reason.
            Err(LedgerError::NotNow(NotNow::Refused(refusal))) => {
                self.voice.clear(ORDER);
                tracing::warn!("{}", crate::chain(&refusal));
            }
            Err(e) => {
                if matches!(e, LedgerError::Save(_)) {
                    self.waits = Some(order);
                }
                let message = format!("order {number} is not taken: {}", crate::chain(&e));
                self.voice.complain(ORDER, "NotWritten", message);
            }
        }
    }
}

impl Between for Intake {
    fn moment(&mut self) -> Moment {
        self.clock.now()
    }

    fn is_stopping(&self) -> bool {
        *self.stopped.borrow()
    }

    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        self.shared.coordinator(self.clock.now())
    }

    fn take(&mut self, ledger: &mut Ledger) {
        if let Some(order) = self.newest().or_else(|| self.waits.take()) {
            // A newer one takes the place of one that waits.
            self.waits = None;
            self.hand_in(order, ledger);
        }
    }
}
