use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Architecture, AttemptId, AttemptReport, LedgerId, OrderMark, OrderNumber, PackageName, Refusal,
};

/// What a node does with its orders, as it reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderReport {
    /// The ledger that all of this stands in. Another one than before: the old one is lost.
    pub ledger: LedgerId,
    /// The order that is followed. `None`: none yet, so the node only observes.
    pub effective: Option<OrderMark>,
    /// A newer one that was accepted and waits until the running step comes to its safe point.
    pub pending: Option<OrderMark>,
    /// The step in progress, where there is one.
    pub running: Option<Running>,
    /// Attempts that ended, or whose end is unknown: at least those that the effective and the
    /// pending order name, and those that they withdrew.
    pub attempts: Vec<AttemptReport>,
    /// The attempt that ended last, whatever it was; what was read of the server before it is no news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ended: Option<AttemptId>,
    /// Packages that the agent holds by itself since a fallback. A hold of an operator's is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<OwnHold>,
    /// The last order that was refused since the agent's start.
    pub refused: Option<Refused>,
}

impl OrderReport {
    /// The highest order that was ever accepted.
    pub fn highest(&self) -> Option<&OrderMark> {
        self.pending.as_ref().or(self.effective.as_ref())
    }

    /// How this attempt ended, if it did.
    pub fn attempt(&self, attempt: AttemptId) -> Option<&AttemptReport> {
        self.attempts.iter().find(|a| a.attempt == attempt)
    }

    /// Whether the step in progress belongs to this attempt.
    pub fn is_running(&self, attempt: AttemptId) -> bool {
        self.running.as_ref().is_some_and(|r| r.attempt == attempt)
    }
}

/// A package that stays at its version until a person lets it go, because a newer one was not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnHold {
    pub package: PackageName,
    /// `None`: the server's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// After which it was held.
    pub attempt: AttemptId,
    /// By the server's clock.
    pub since: Timestamp,
}

impl OwnHold {
    /// The name as the package manager has it: `libc6:i386` for one that is not the server's own.
    pub fn name(&self) -> String {
        match &self.architecture {
            Some(architecture) => format!("{}:{architecture}", self.package),
            None => self.package.to_string(),
        }
    }
}

/// A step in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    pub attempt: AttemptId,
    /// The step's name, for example `download` or `apply`.
    pub step: String,
    /// How the step comes to its safe point.
    pub safe_point: SafePoint,
    pub since: Timestamp,
    /// How far it is, or what it waits for, for people; decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<String>,
}

/// How a running step gives way to a newer order. Each step declares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SafePoint {
    /// Nothing was changed: it can be dropped at once.
    Abort,
    /// What was done is taken back first (cordon, noout), then it is dropped.
    Undo,
    /// Half of it is worse than none: it goes on to its end.
    Finish,
}

impl fmt::Display for SafePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Abort => "abort",
            Self::Undo => "undo",
            Self::Finish => "finish",
        })
    }
}

/// An order that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub number: OrderNumber,
    /// [`Refusal::word`].
    pub reason: String,
    pub message: String,
    pub at: Timestamp,
}

impl Refused {
    /// The report of a refusal at `at`.
    pub fn new(number: OrderNumber, refusal: &Refusal, at: Timestamp) -> Self {
        let mut message = refusal.to_string();
        if let Refusal::Contradiction { misfit, .. } = refusal {
            message = format!("{message}: {misfit}");
        }
        Self {
            number,
            reason: refusal.word().to_owned(),
            message,
            at,
        }
    }
}
