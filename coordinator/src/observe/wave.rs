//! The wave of nodes that return after the coordinator's own absence.
//!
//! The grace of one node has a fixed length, but how long a whole fleet takes to return depends on
//! the coordinator: on two busy cores 2,000 handshakes took longer than the grace, and nodes that
//! stood in line were declared unreachable. While returns go on coming, nobody who was not heard
//! yet is judged; a bound keeps one node that comes and goes from putting off a verdict for ever.

use std::time::Duration;

use h8lio_model::availability::{Mono, Timing};

/// A wave lasts at most this many graces.
const MOST_GRACES: u32 = 4;

/// When the absence ended, and when somebody returned last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wave {
    began: Mono,
    last: Mono,
}

impl Wave {
    /// The absence ended now.
    pub(super) const fn begin(now: Mono) -> Self {
        Self {
            began: now,
            last: now,
        }
    }

    /// A node was heard for the first time since.
    pub(super) const fn returned(&mut self, now: Mono) {
        self.last = now;
    }

    /// Whether more are to be expected: the last return is no longer ago than a silence that would
    /// make a node suspect.
    pub(super) fn goes_on(&self, now: Mono, timing: &Timing) -> bool {
        let bound: Duration = timing.warm_up * MOST_GRACES;
        now.saturating_sub(self.last) < timing.suspect_after
            && now.saturating_sub(self.began) < bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_wave_goes_on_while_nodes_return_and_ends_soon_after_the_last() {
        let timing = Timing::for_beat(s(1));
        let mut wave = Wave::begin(s(100));
        for at in 101..140 {
            wave.returned(s(at));
            assert!(wave.goes_on(s(at + 1), &timing), "{at}");
        }
        assert!(!wave.goes_on(s(139) + timing.suspect_after, &timing));
    }

    #[test]
    fn returns_without_end_do_not_put_off_verdicts_for_ever() {
        let timing = Timing::for_beat(s(1));
        let mut wave = Wave::begin(s(100));
        let bound = s(100) + timing.warm_up * MOST_GRACES;
        wave.returned(bound);
        assert!(!wave.goes_on(bound, &timing));
    }
}
