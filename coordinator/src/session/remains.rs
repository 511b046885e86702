//! What is left of a session whose place another one has taken.
//!
//! Of one server, only one of the two goes on: an agent that was restarted or has lost its
//! connection is silent on the old stream, and one that moves to a newer connection leaves the old
//! one once it is welcomed. Two servers that share even the boot id (a snapshot of a running
//! machine, two containers of one image) both go on beating. So the old stream is listened to for a
//! little longer.

use std::time::Duration;

/// Beats by which a newcomer shows that it has settled: an agent that moves leaves its old stream
/// before the second one.
const SETTLED: u64 = 3;

/// Beats of the newcomer after which whoever has been silent is gone.
const ENOUGH: u64 = 10;

/// Beats of time after which it is left at that, whatever the newcomer does.
const LONGEST: u32 = 15;

/// Listens to the old stream. Pure.
#[derive(Debug)]
pub(super) struct Remains {
    /// The newcomer's wall clock when it greeted, milliseconds.
    greeted_ms: i64,
    beat: Duration,
    since: Duration,
    /// When the first beat came that speaks for a second server.
    first: Option<Duration>,
}

impl Remains {
    /// The place was taken at `now` (monotonic) by a session that greeted at `greeted_ms` of its own
    /// clock.
    pub(super) const fn new(greeted_ms: i64, beat: Duration, now: Duration) -> Self {
        Self {
            greeted_ms,
            beat,
            since: now,
            first: None,
        }
    }

    /// A beat that came on the old stream at `now`, sent at `sent_ms` of its sender's clock, after
    /// `newer` beats of the newcomer: whether there are two servers.
    ///
    /// What waited in a broken connection may come late, all at once, and was sent before the
    /// greeting: two beats of the present count, half a beat apart.
    pub(super) fn beat(&mut self, sent_ms: i64, newer: u64, now: Duration) -> bool {
        if newer < SETTLED || sent_ms <= self.greeted_ms {
            return false;
        }
        let first = *self.first.get_or_insert(now);
        now.saturating_sub(first) >= self.beat / 2
    }

    /// Whether there is nothing more to learn at `now`.
    pub(super) fn is_over(&self, newer: u64, now: Duration) -> bool {
        newer >= ENOUGH || now.saturating_sub(self.since) >= self.beat * LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn remains() -> Remains {
        Remains::new(5_000, s(1), s(100))
    }

    /// scenario: 35 (unit)
    #[test]
    fn two_that_go_on_beating_are_two_servers() {
        let mut old = remains();
        assert!(!old.beat(8_000, 3, s(103)), "one may have been under way");
        assert!(old.beat(9_000, 4, s(104)));
    }

    /// scenario: 35 (unit)
    #[test]
    fn an_agent_that_moves_may_beat_on_both_until_it_has_settled() {
        let mut old = remains();
        // The store is slow, so that the Welcome of the newer session takes its time.
        for second in 1..8 {
            assert!(!old.beat(
                5_000 + 1_000 * second,
                0,
                s(100 + u64::try_from(second).unwrap())
            ));
        }
        assert!(!old.beat(13_000, 2, s(108)));
    }

    /// scenario: 35 (unit)
    #[test]
    fn beats_that_waited_in_a_broken_connection_are_no_second_server() {
        let mut old = remains();
        for n in 0..20 {
            assert!(!old.beat(4_000 - n, 5, s(105)), "sent before the greeting");
        }
        let mut old = remains();
        for _ in 0..20 {
            // The wall clock was set back meanwhile; still they come all at once.
            assert!(!old.beat(90_000, 5, s(105)));
        }
    }

    #[test]
    fn listening_ends_with_the_newcomers_tenth_beat_or_after_fifteen_beats_of_time() {
        let old = remains();
        assert!(!old.is_over(9, s(114)));
        assert!(old.is_over(10, s(101)));
        assert!(old.is_over(0, s(115)));
    }
}
