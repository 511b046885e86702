use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AttemptId;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// As wished, and the server is well.
    Done,
    /// Not as wished. What is left of it is in [`AttemptReport::as_before`].
    Failed,
    /// Begun, found not well, and taken back.
    RolledBack,
    /// The end was not seen (power, a lost ledger). To be observed, never assumed.
    Unknown,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::RolledBack, Self::Unknown];

    /// Whether it stands for ever. `Unknown` gives way to what was then observed.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Whether a record of this outcome may be overwritten with `next`: a terminal one only with
    /// itself.
    pub fn may_become(self, next: Self) -> bool {
        self == next || !self.is_terminal()
    }

    /// The word used in JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::RolledBack => "rolledBack",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reason of an attempt that was taken back before it changed anything.
pub const WITHDRAWN: &str = "Withdrawn";

/// The reason of an attempt that was not begun, because its ticket had come too old.
pub const TOO_LATE: &str = "TooLate";

/// An attempt's end, as the agent reports it from its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptReport {
    pub attempt: AttemptId,
    pub outcome: Outcome,
    /// The server is as it was before the attempt: nothing was changed, or all of it was taken
    /// back. Always `false` when done or unknown.
    pub as_before: bool,
    /// CamelCase word for programs, for example `Withdrawn`, `DownloadFailed` or `LinkLost`.
    pub reason: String,
    /// One sentence for people: the thing, the cause, the next move.
    pub message: String,
    /// When the outcome was written down, by the server's clock.
    pub at: Timestamp,
}

impl AttemptReport {
    /// Nothing was tried: its ticket was taken back, or had come too old. That is no failure of the
    /// server's.
    pub fn is_untried(&self) -> bool {
        self.releases_the_slot() && [WITHDRAWN, TOO_LATE].contains(&self.reason.as_str())
    }

    /// Whether the node's slot ends with it: the work is done, or it failed before it changed
    /// anything. After a fallback, a failure half-way or an unknown end the slot stays, so that
    /// nobody else of the failure domain goes down before a person has looked.
    pub const fn releases_the_slot(&self) -> bool {
        match self.outcome {
            Outcome::Done => true,
            Outcome::Failed => self.as_before,
            Outcome::RolledBack | Outcome::Unknown => false,
        }
    }
}
