//! Whether this coordinator knows less than its nodes, as after the restore of an old backup.

use h8lio_model::ids::{Incarnation, NodeId};
use h8lio_model::order::{Epoch, OrderMark, OrderNumber, OrderReport};
use h8lio_model::plan::Plan;

/// Who sends: part of every order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    pub epoch: Epoch,
    pub incarnation: Incarnation,
}

/// A node was ordered something by a coordinator that knew more than this one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "node {node} has accepted order {seen}, and this coordinator has sent at most {known}; another \
     one is at work, or this one was restored from an old backup"
)]
pub struct Behind {
    pub node: NodeId,
    pub seen: OrderNumber,
    pub known: OrderNumber,
}

/// Compares what a node has accepted with what this coordinator can have sent. A coordinator that
/// is behind any node sends nothing to anybody.
///
/// # Errors
/// [`Behind`].
pub fn behind(term: &Term, plan: &Plan, node: NodeId, report: &OrderReport) -> Result<(), Behind> {
    let planned = plan.content().orders.get(&node).map(|o| o.generation);
    let known = OrderNumber {
        epoch: term.epoch,
        generation: planned.unwrap_or_default(),
    };
    match report.highest() {
        Some(mark) if goes_beyond(mark, term, known) => {
            let seen = mark.number();
            Err(Behind { node, seen, known })
        }
        _ => Ok(()),
    }
}

/// A restart counts an epoch on, which must not hide that generations were lost: within one
/// incarnation they never fall.
fn goes_beyond(mark: &OrderMark, term: &Term, known: OrderNumber) -> bool {
    let ours = mark.incarnation == term.incarnation;
    mark.epoch > term.epoch
        || (mark.epoch == term.epoch && !ours)
        || (ours && mark.generation > known.generation)
}
