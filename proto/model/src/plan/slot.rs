use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::RolloutName;
use crate::order::{AttemptId, Generation, LedgerId, Outcome};

/// One node's leave to be changed now. While it stands, the node counts as down in each of its
/// constraint sets. It ends on a reported terminal state or by a person's word, never by time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    pub rollout: RolloutName,
    /// 0 is the canary.
    pub wave: u32,
    pub attempt: AttemptId,
    /// When it was granted.
    pub since: Timestamp,
    /// The ledger that the ticket was made for. What a node with another one does not know of the
    /// attempt says nothing about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerId>,
    pub phase: SlotPhase,
}

/// How far a slot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "is",
    deny_unknown_fields
)]
pub enum SlotPhase {
    /// Counted, and nothing was ordered yet: the union of all that is reserved is asked about
    /// first.
    Reserved,
    /// The ticket is in the node's order.
    Ordered,
    /// The ticket was taken out again with this generation; what became of the attempt is not
    /// reported yet.
    Withdrawn {
        with: Generation,
        /// Because somebody else changed what the order rested on.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_hand: bool,
    },
    /// The attempt ended so that nobody else may go down before a person has looked.
    Kept { outcome: Outcome, at: Timestamp },
}
