use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::Incarnation;
use crate::section::Digest;

/// The term of leadership among coordinators. Only grows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The term after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts what is wanted of one node: one more for each change of content. Only grows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What orders are compared by: the epoch first, then the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderNumber {
    pub epoch: Epoch,
    pub generation: Generation,
}

impl fmt::Display for OrderNumber {
    /// `epoch.generation`, for example `3.17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.generation)
    }
}

/// What is remembered of an order: enough to tell whether the next one is newer, the same, or not
/// to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderMark {
    pub epoch: Epoch,
    pub generation: Generation,
    pub incarnation: Incarnation,
    /// Of the order's content.
    pub digest: Digest,
}

impl OrderMark {
    /// What orders are compared by.
    pub const fn number(&self) -> OrderNumber {
        OrderNumber {
            epoch: self.epoch,
            generation: self.generation,
        }
    }
}

/// One life of an agent's ledger, chosen when the ledger is made. Another id means that what the
/// old ledger knew about attempts is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LedgerId(pub Uuid);

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
