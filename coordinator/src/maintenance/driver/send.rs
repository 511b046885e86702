//! Orders on their way down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use h8lio_executor::{Errand, activate};
use h8lio_model::order::OrderMark;
use h8lio_model::plan::Plan;

use super::Driver;
use crate::session::table::Open;
use crate::store::StoreError;

/// An order is sent again when the node does not show it after this.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What a node was sent last.
#[derive(Debug)]
pub(super) struct Sent {
    mark: OrderMark,
    session: Weak<Open>,
    /// Monotonic.
    at: Duration,
}

impl Driver {
    /// The errands of `plan`, one by one and past those that fail.
    pub(super) async fn send(&mut self, plan: &Plan) {
        let activation = match activate(&self.parts.term, plan, &self.known) {
            Ok(activation) => activation,
            // It is heard before anything is planned, and then nothing is sent at all.
            Err(why) => return tracing::warn!(%why, "nothing is sent"),
        };
        for errand in activation.errands {
            match self.run_errand(errand).await {
                Ok(()) => {}
                // Each of the others would wait as long.
                Err(error @ StoreError::Unavailable { .. }) => return self.note_trouble(&error),
                Err(error) => self.note_trouble(&error),
            }
        }
    }

    async fn run_errand(&mut self, errand: Errand) -> Result<(), StoreError> {
        let Errand {
            node,
            record,
            order,
        } = errand;
        let Some(open) = self.parts.table.get(node) else {
            return Ok(());
        };
        let (mark, now) = (order.mark(), self.parts.clock.mono());
        if !self.is_due(node, &mark, &open, now) {
            return Ok(());
        }
        if let Some(record) = record {
            self.records.write(node, &record).await?;
            self.known.entry(node).or_default().record = record;
        }
        if open.order(&order) {
            let session = Arc::downgrade(&open);
            let at = now;
            self.sent.insert(node, Sent { mark, session, at });
        }
        Ok(())
    }

    fn is_due(
        &self,
        node: h8lio_model::ids::NodeId,
        mark: &OrderMark,
        open: &Arc<Open>,
        now: Duration,
    ) -> bool {
        let Some(sent) = self.sent.get(&node) else {
            return true;
        };
        let same = sent.mark == *mark && std::ptr::eq(sent.session.as_ptr(), Arc::as_ptr(open));
        !same || now.saturating_sub(sent.at) >= AGAIN_AFTER
    }
}
