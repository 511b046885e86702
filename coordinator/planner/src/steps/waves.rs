//! Whose turn it is: the canary, then wave after wave, each watched before the next begins.

use std::collections::BTreeMap;

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{NodeState, RolloutProgress, WaitingOn};
use jiff::{SignedDuration, Timestamp};

/// What the next wave waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is no next wave.
    Last,
    /// The present wave has work left.
    GoesOn,
    /// The present wave is over and watched until then.
    Soaks(Timestamp),
}

/// Moves on to the next wave as far as that may be now. A wave is over when all its nodes are
/// settled, or held by something of their own (those keep their turn and catch up). Of the canary
/// every node must be settled: it is there to teach something.
pub(crate) fn advance(
    progress: &mut RolloutProgress,
    held: &BTreeMap<NodeId, Vec<WaitingOn>>,
    soak: SignedDuration,
    now: Timestamp,
) -> Turn {
    loop {
        let current = progress.wave;
        let later = progress.nodes.values().map(|n| n.wave);
        let Some(next) = later.filter(|w| *w > current).min() else {
            return Turn::Last;
        };
        let over = progress.nodes.iter().all(|(id, node)| {
            let straggles =
                node.state == NodeState::Waiting && held.contains_key(id) && current > 0;
            node.wave > current || node.state.is_settled() || straggles
        });
        if !over {
            return Turn::GoesOn;
        }
        let touched = progress
            .nodes
            .values()
            .filter(|n| n.wave <= current && (n.state == NodeState::Done || n.state.is_failure()));
        let until = touched.map(|n| n.since).max();
        let until = until.map(|since| since.checked_add(soak).unwrap_or(Timestamp::MAX));
        match until {
            Some(until) if until > now => return Turn::Soaks(until),
            _ => progress.wave = next,
        }
    }
}

/// What a node of a later wave waits for.
pub(crate) fn reason(turn: &Turn, current: u32, mine: u32) -> Option<WaitingOn> {
    if mine <= current {
        return None;
    }
    Some(match turn {
        Turn::Soaks(until) if current == 0 => WaitingOn::CanarySoak { until: *until },
        Turn::Soaks(until) => WaitingOn::Soak {
            wave: current,
            until: *until,
        },
        Turn::GoesOn | Turn::Last => WaitingOn::Wave { current, mine },
    })
}
