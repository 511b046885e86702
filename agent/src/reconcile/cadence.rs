//! When a dear read is due. The agent's whole idle cost must stay below 0.03 CPU-seconds a
//! minute, so host tools run only when something changed or a period is over.
//!
//! What each read costs, and how often it should run:
//!
//! | Read | Cost | When |
//! |---|---|---|
//! | `fingerprint()`s, `vitals()` | < 1 ms | every tick |
//! | `hardware()`, `os()` | 2 ms | at start, then [`SLOW`] |
//! | `drives()` + `signatures()`, `osds()` | 10–30 ms | fingerprint changed, or [`USUAL`] |
//! | `clock()`, `running()`, `boot()` | 10 ms each | [`USUAL`] |
//! | `smart()` per drive | 5–20 ms | new drive, or [`SLOW`] |
//! | `volumes()` | 0.5–1 s with `ceph-volume` | fingerprint changed, or [`RARE`] |

use jiff::{SignedDuration, Timestamp};

use crate::host::Fingerprint;

/// Five minutes.
pub const USUAL: SignedDuration = SignedDuration::from_mins(5);
/// Half an hour.
pub const SLOW: SignedDuration = SignedDuration::from_mins(30);
/// Six hours.
pub const RARE: SignedDuration = SignedDuration::from_hours(6);

/// After a read that failed in part: a server that is busy now may answer soon.
pub const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// At most one dear read of a kind in this time, however often the fingerprint changes: pods
/// that come and go mount and unmount all day.
pub const DEBOUNCE: SignedDuration = SignedDuration::from_secs(20);

/// Remembers one dear read.
#[derive(Debug, Clone)]
pub struct DearRead {
    period: SignedDuration,
    last: Option<(Timestamp, Fingerprint)>,
}

impl DearRead {
    /// A read that has never been done and is repeated after `period`.
    pub const fn every(period: SignedDuration) -> Self {
        Self { period, last: None }
    }

    /// Whether to read now. A clock that went backwards counts as "period over".
    pub fn is_due(&self, fingerprint: Fingerprint, now: Timestamp) -> bool {
        let Some((at, seen)) = self.last else {
            return true;
        };
        let age = now.duration_since(at);
        age.is_negative() || age >= self.period || (seen != fingerprint && age >= DEBOUNCE)
    }

    /// Records a read. `fingerprint` must have been taken *before* it, so that a change during
    /// the read makes it due again.
    pub fn done(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        self.last = Some((now, fingerprint));
    }

    /// As [`DearRead::done`], to be repeated after `period`: sooner, say, after a failure.
    pub fn done_for(&mut self, period: SignedDuration, fingerprint: Fingerprint, now: Timestamp) {
        self.set_period(period);
        self.done(fingerprint, now);
    }

    /// Changes the period, also of the read that was done last.
    pub fn set_period(&mut self, period: SignedDuration) {
        self.period = period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_dear_read_waits_for_a_change_or_the_end_of_its_period() {
        let mut read = DearRead::every(USUAL);
        assert!(read.is_due(Fingerprint(1), at(1000)), "never read");
        read.done(Fingerprint(1), at(1000));
        assert!(!read.is_due(Fingerprint(1), at(1299)));
        assert!(read.is_due(Fingerprint(1), at(1300)), "period over");
        assert!(read.is_due(Fingerprint(2), at(1030)), "changed");
        assert!(!read.is_due(Fingerprint(2), at(1010)), "changed too often");
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_stop_the_reads() {
        let mut read = DearRead::every(USUAL);
        read.done(Fingerprint(1), at(100_000));
        assert!(read.is_due(Fingerprint(1), at(13_600)));
    }
}
