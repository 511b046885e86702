//! The fleet's rules: how old facts may be, when changes are allowed.

use h8lio_model::release::Release;
use jiff::SignedDuration;

use crate::calendar::{Freeze, Stretch};

/// The rules that hold for every rollout.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub ages: Ages,
    /// When nodes may be begun, for rollouts that bring no windows of their own. None: always.
    pub windows: Vec<Stretch>,
    /// When nothing may be begun, whatever the rollout and its lane.
    pub freezes: Vec<Freeze>,
    /// Agents of this release and later ones are wanted, also where a newer one ran before.
    pub accept_agent: Option<Release>,
}

/// How old a fact may be when a gate reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Sections that agents confirm all the time.
    pub inventory: SignedDuration,
    /// Results of health checks and answers of oracles.
    pub answers: SignedDuration,
    /// What a node's repositories offered it, by the time it fetched their index.
    pub index: SignedDuration,
}

impl Default for Ages {
    /// Agents confirm their sections at least every few minutes, and facts about packages every
    /// few hours; an answer about what may stop is worth little after some minutes. Distributions
    /// publish security updates daily, and agents fetch the index well within a day.
    fn default() -> Self {
        Self {
            inventory: SignedDuration::from_hours(8),
            answers: SignedDuration::from_mins(5),
            index: SignedDuration::from_hours(24),
        }
    }
}
