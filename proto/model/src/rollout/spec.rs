use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{RolloutTarget, Selector};
use crate::ids::RolloutName;

/// A rollout as an operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutSpec {
    pub name: RolloutName,
    pub target: RolloutTarget,
    pub selector: Selector,
    #[serde(default)]
    pub lane: Lane,
    /// When nodes may be begun. None: the fleet's windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowSpec>,
    /// How many nodes go first, by themselves. 0: none.
    #[serde(default)]
    pub canary: u32,
    /// The sizes of the waves after the canary; the last one repeats. None: all in one wave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveSize>,
    /// How long a wave is watched before the next one begins.
    #[serde(default)]
    pub soak: SignedDuration,
    /// So many failed nodes stop the rollout. At least 1.
    pub failure_threshold: u32,
    /// All by then, or say now that it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Health checks of the coordinator's configuration that must pass before each node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<String>,
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lane {
    #[default]
    Normal,
    /// A hole that is being used: windows are not waited for, and it goes before other rollouts.
    /// Freezes, budgets, soak and every other gate hold as ever.
    Cve,
}

/// The size of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaveSize {
    Nodes(u32),
    /// Of all nodes of the rollout, rounded up. 1 to 100.
    Percent(u8),
}

/// A stretch of time that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// When it begins: five fields of cron, for example `0 22 * * FRI`.
    pub cron: String,
    /// How long it lasts, in elapsed time: an hour more or less on the clock does not change it.
    pub lasts: SignedDuration,
    /// An IANA time zone, for example `Europe/Paris`.
    pub zone: String,
}

/// Why a rollout is not taken in. Nothing of it is created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRollout {
    #[error(
        "the failure threshold is 0, which would stop the rollout before it begins; use 1 or more"
    )]
    NoFailureAllowed,
    #[error("the soak of {0:#} is negative")]
    NegativeSoak(SignedDuration),
    #[error("wave {number} has the size {size}; use at least one node, or 1 to 100 percent")]
    EmptyWave { number: usize, size: String },
    #[error("the deadline {deadline} has passed; it is {now}")]
    DeadlinePassed { deadline: Timestamp, now: Timestamp },
}

impl RolloutSpec {
    /// Checks all that needs no fleet and no calendar.
    ///
    /// # Errors
    /// The first [`BadRollout`].
    pub fn check(&self, now: Timestamp) -> Result<(), BadRollout> {
        if self.failure_threshold == 0 {
            return Err(BadRollout::NoFailureAllowed);
        }
        if self.soak.is_negative() {
            return Err(BadRollout::NegativeSoak(self.soak));
        }
        for (number, size) in (1..).zip(&self.waves) {
            let size = match size {
                WaveSize::Nodes(0) => "0 nodes".to_owned(),
                WaveSize::Percent(p) if !(1..=100).contains(p) => format!("{p} %"),
                WaveSize::Nodes(_) | WaveSize::Percent(_) => continue,
            };
            return Err(BadRollout::EmptyWave { number, size });
        }
        match self.deadline {
            Some(deadline) if deadline <= now => Err(BadRollout::DeadlinePassed { deadline, now }),
            _ => Ok(()),
        }
    }
}
