use serde::{Deserialize, Serialize};

use super::{Epoch, LedgerId, Misfit, NodeOrder, OrderMark, OrderNumber};
use crate::ids::{Incarnation, NodeId};

/// An order may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It goes beyond all that was accepted: write it down, then follow it.
    Newer,
    /// It is the one that was accepted last. Confirm it and change nothing.
    Repeat,
}

/// Why an order is not taken. The node goes on with what it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("order {number} is for node {addressed}, and this is node {this}")]
    AnotherNode {
        number: OrderNumber,
        addressed: NodeId,
        this: NodeId,
    },
    #[error(
        "order {number} was made for ledger {addressed}, and this node keeps ledger {this}; \
         waiting for an order that knows of it"
    )]
    AnotherLedger {
        number: OrderNumber,
        addressed: LedgerId,
        this: LedgerId,
    },
    #[error("order {number} is older than order {accepted}, which was accepted")]
    Older {
        number: OrderNumber,
        accepted: OrderNumber,
    },
    #[error(
        "order {number} has another content than the order of this number that was accepted; \
         two coordinators may be at work"
    )]
    OtherContent { number: OrderNumber },
    #[error(
        "order {number} comes from incarnation {theirs} of the coordinator, and epoch {epoch} \
         belongs to incarnation {ours}; two coordinators may be at work",
        epoch = number.epoch, theirs = theirs.0, ours = ours.0
    )]
    AnotherIncarnation {
        number: OrderNumber,
        theirs: Incarnation,
        ours: Incarnation,
    },
    #[error("order {number} contradicts itself")]
    Contradiction {
        number: OrderNumber,
        #[source]
        misfit: Misfit,
    },
}

impl Refusal {
    /// CamelCase word for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::AnotherNode { .. } => "AnotherNode",
            Self::AnotherLedger { .. } => "AnotherLedger",
            Self::Older { .. } => "Older",
            Self::OtherContent { .. } => "OtherContent",
            Self::AnotherIncarnation { .. } => "AnotherIncarnation",
            Self::Contradiction { .. } => "Contradiction",
        }
    }
}

/// The rule: whether `order` is taken by the node `this`, which keeps `ledger` and has accepted
/// `accepted` last. `None` stands for a ledger that holds no order yet.
///
/// `accepted` must be the *highest* order ever accepted, whether it is followed already or still
/// pending.
///
/// # Errors
/// [`Refusal`], and then nothing is to be written down or changed.
pub fn weigh(
    this: NodeId,
    ledger: LedgerId,
    accepted: Option<&OrderMark>,
    order: &NodeOrder,
) -> Result<Verdict, Refusal> {
    let number = order.number();
    if order.node != this {
        let addressed = order.node;
        return Err(Refusal::AnotherNode {
            number,
            addressed,
            this,
        });
    }
    if order.ledger != ledger {
        return Err(Refusal::AnotherLedger {
            number,
            addressed: order.ledger,
            this: ledger,
        });
    }
    if let Some(accepted) = accepted
        && !goes_beyond(accepted, order)?
    {
        return Ok(Verdict::Repeat);
    }
    match order.content.check() {
        Ok(()) => Ok(Verdict::Newer),
        Err(misfit) => Err(Refusal::Contradiction { number, misfit }),
    }
}

/// `false`: it is the very order that was accepted.
fn goes_beyond(accepted: &OrderMark, order: &NodeOrder) -> Result<bool, Refusal> {
    let (number, before) = (order.number(), accepted.number());
    if number.epoch == before.epoch && order.incarnation != accepted.incarnation {
        return Err(Refusal::AnotherIncarnation {
            number,
            theirs: order.incarnation,
            ours: accepted.incarnation,
        });
    }
    if number < before {
        return Err(Refusal::Older {
            number,
            accepted: before,
        });
    }
    if number > before {
        return Ok(true);
    }
    if order.content.digest() != accepted.digest {
        return Err(Refusal::OtherContent { number });
    }
    Ok(false)
}

/// The epoch that a coordinator must take so that its orders go beyond all that was ever accepted.
/// Agents report the highest order that they have seen; a restored coordinator collects them.
pub fn epoch_beyond<'a>(seen: impl IntoIterator<Item = &'a OrderMark>) -> Epoch {
    let highest = seen.into_iter().map(|mark| mark.epoch).max();
    highest.map_or(Epoch(1), Epoch::next)
}
