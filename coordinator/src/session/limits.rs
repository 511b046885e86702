//! How much one identity may send. A node that exceeds it loses its own session and nobody else's.

use std::time::Duration;

/// A bucket that fills with time and is emptied by use.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    capacity: f64,
    per_second: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket. `capacity` and `per_second` are in the same unit (messages or bytes).
    pub const fn new(capacity: f64, per_second: f64, now: Duration) -> Self {
        Self {
            capacity,
            per_second,
            level: capacity,
            at: now,
        }
    }

    /// Takes `amount` at `now`; `false` when there is not enough.
    pub fn take(&mut self, amount: f64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.level = (self.level + passed * self.per_second).min(self.capacity);
        if amount > self.level {
            return false;
        }
        self.level -= amount;
        true
    }
}

/// The limits of one session.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    messages: Bucket,
    bytes: Bucket,
}

/// What was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    #[error(
        "this node sends more messages than the {per_second} a second that the coordinator takes; the session is closed"
    )]
    Messages { per_second: u32 },
    #[error("this node sends more than {mebibytes} MiB of reports a minute; the session is closed")]
    Bytes { mebibytes: u32 },
}

/// Messages a second: a beat a second is told, reports come every ten; bursts of 200 are taken.
const MESSAGES_PER_SECOND: u32 = 20;
/// Report bytes a minute. A full inventory of a large server is about 100 KiB.
const MEBIBYTES_PER_MINUTE: u32 = 16;

impl SessionLimits {
    /// Fresh limits.
    pub fn new(now: Duration) -> Self {
        let bytes = f64::from(MEBIBYTES_PER_MINUTE) * 1_048_576.0;
        Self {
            messages: Bucket::new(200.0, f64::from(MESSAGES_PER_SECOND), now),
            bytes: Bucket::new(bytes, bytes / 60.0, now),
        }
    }

    /// Counts one message with `report_bytes` of sections.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn count(&mut self, report_bytes: usize, now: Duration) -> Result<(), Exceeded> {
        if !self.messages.take(1.0, now) {
            return Err(Exceeded::Messages {
                per_second: MESSAGES_PER_SECOND,
            });
        }
        if !self.bytes.take(report_bytes as f64, now) {
            return Err(Exceeded::Bytes {
                mebibytes: MEBIBYTES_PER_MINUTE,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_a_second_passes_for_ever_and_a_flood_does_not() {
        let mut l = SessionLimits::new(Duration::ZERO);
        for s in 0..100_000 {
            l.count(0, Duration::from_secs(s))
                .expect("a beat a second is fine");
        }
        let at = Duration::from_secs(100_000);
        let refused = (0..1000).filter(|_| l.count(0, at).is_err()).count();
        assert!(refused >= 790, "{refused}");
    }

    #[test]
    fn a_clock_that_stands_still_gives_nothing_for_free() {
        let mut b = Bucket::new(2.0, 1.0, Duration::from_secs(9));
        assert!(b.take(2.0, Duration::from_secs(5)));
        assert!(!b.take(0.5, Duration::from_secs(9)));
        assert!(b.take(1.0, Duration::from_secs(10)));
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_of_200_messages_passes_and_then_20_a_second() {
        let mut l = SessionLimits::new(at(7));
        let mut passes = |now| (0..1000).take_while(|_| l.count(0, now).is_ok()).count();
        assert_eq!(passes(at(7)), 200);
        assert_eq!(passes(at(7)), 0);
        assert_eq!(passes(at(8)), 20);
        assert_eq!(passes(at(11)), 60);
        assert_eq!(passes(at(100)), 200, "never more than a burst");
        let per_second = 20;
        assert_eq!(l.count(0, at(100)), Err(Exceeded::Messages { per_second }));
    }

    #[test]
    fn sixteen_mebibytes_a_minute_pass_and_not_a_byte_more() {
        let all = 16 << 20;
        let mut l = SessionLimits::new(at(7));
        assert_eq!(l.count(all, at(7)), Ok(()));
        let mebibytes = 16;
        let exceeded = Err(Exceeded::Bytes { mebibytes });
        assert_eq!(l.count(1, at(7)), exceeded);
        assert_eq!(l.count(0, at(7)), Ok(()), "a beat carries nothing");
        assert_eq!(l.count(all / 2, at(37)), Ok(()));
        assert_eq!(l.count(all, at(96)), exceeded);
        assert_eq!(l.count(all, at(97)), Ok(()));
    }
}
