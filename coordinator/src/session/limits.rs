//! How much one identity may use, whatever number of sessions and connections it has. A node that
//! exceeds it loses its own session and nobody else's.

use std::sync::{Mutex, MutexGuard, PoisonError};
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

/// What one node may use. Its parts outlive its sessions: who hangs up and dials again has not a
/// whole allowance again.
#[derive(Debug, Default)]
pub struct Allowance(Mutex<Shares>);

#[derive(Debug)]
struct Shares {
    messages: Bucket,
    bytes: Bucket,
    sessions: Bucket,
    certificates: Bucket,
    /// When its refused recovery was last told.
    refusal_told: Option<Duration>,
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
    #[error(
        "this node opens more sessions than the {per_minute} a minute that the coordinator takes; wait a minute"
    )]
    Sessions { per_minute: u32 },
    #[error(
        "this node asks for more certificates than the {per_minute} a minute that the coordinator issues; wait a minute"
    )]
    Certificates { per_minute: u32 },
}

/// Messages a second: a beat a second is told, reports come every ten; bursts of 200 are taken.
const MESSAGES_PER_SECOND: u32 = 20;
/// Report bytes a minute. A full inventory of a large server is about 100 KiB.
const MEBIBYTES_PER_MINUTE: u32 = 16;
/// Sessions a minute, and at once. An agent whose connection breaks again and again dials every
/// five seconds, or sooner after a good one.
const SESSIONS_PER_MINUTE: u32 = 20;
const SESSIONS_AT_ONCE: u32 = 30;
/// Certificates a minute, and at once: one in twelve hours is usual. A rotation of the authority,
/// and an agent that cannot save what it gets, ask for some more.
const CERTIFICATES_PER_MINUTE: u32 = 10;
/// The event about a refused recovery is not repeated sooner.
const REFUSAL_TOLD_EVERY: Duration = Duration::from_secs(3_600);

impl Default for Shares {
    fn default() -> Self {
        let full =
            |capacity: f64, per_second: f64| Bucket::new(capacity, per_second, Duration::ZERO);
        let minute = 60.0;
        let bytes = f64::from(MEBIBYTES_PER_MINUTE) * 1_048_576.0;
        let certificates = f64::from(CERTIFICATES_PER_MINUTE);
        Self {
            messages: full(200.0, f64::from(MESSAGES_PER_SECOND)),
            bytes: full(bytes, bytes / minute),
            sessions: full(
                f64::from(SESSIONS_AT_ONCE),
                f64::from(SESSIONS_PER_MINUTE) / minute,
            ),
            certificates: full(certificates, certificates / minute),
            refusal_told: None,
        }
    }
}

impl Allowance {
    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one message with `report_bytes` of sections.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn message(&self, report_bytes: usize, now: Duration) -> Result<(), Exceeded> {
        let mut shares = self.shares();
        if !shares.messages.take(1.0, now) {
            return Err(Exceeded::Messages {
                per_second: MESSAGES_PER_SECOND,
            });
        }
        if !shares.bytes.take(report_bytes as f64, now) {
            return Err(Exceeded::Bytes {
                mebibytes: MEBIBYTES_PER_MINUTE,
            });
        }
        Ok(())
    }

    /// Counts a session that is opened.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn session(&self, now: Duration) -> Result<(), Exceeded> {
        let per_minute = SESSIONS_PER_MINUTE;
        let taken = self.shares().sessions.take(1.0, now);
        taken.then_some(()).ok_or(Exceeded::Sessions { per_minute })
    }

    /// Counts a certificate that is asked for.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn certificate(&self, now: Duration) -> Result<(), Exceeded> {
        let per_minute = CERTIFICATES_PER_MINUTE;
        let taken = self.shares().certificates.take(1.0, now);
        taken
            .then_some(())
            .ok_or(Exceeded::Certificates { per_minute })
    }

    /// Whether a refused recovery is told now: a server that keeps asking does not fill the event
    /// log.
    pub fn tells_refusal(&self, now: Duration) -> bool {
        let told = &mut self.shares().refusal_told;
        let due = told.is_none_or(|at| now.saturating_sub(at) >= REFUSAL_TOLD_EVERY);
        if due {
            *told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_a_second_passes_for_ever_and_a_flood_does_not() {
        let l = Allowance::default();
        for s in 0..100_000 {
            l.message(0, Duration::from_secs(s))
                .expect("a beat a second is fine");
        }
        let at = Duration::from_secs(100_000);
        let refused = (0..1000).filter(|_| l.message(0, at).is_err()).count();
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
        let l = Allowance::default();
        let passes = |now| (0..1000).take_while(|_| l.message(0, now).is_ok()).count();
        assert_eq!(passes(at(7)), 200);
        assert_eq!(passes(at(7)), 0);
        assert_eq!(passes(at(8)), 20);
        assert_eq!(passes(at(11)), 60);
        assert_eq!(passes(at(100)), 200, "never more than a burst");
        let per_second = 20;
        assert_eq!(
            l.message(0, at(100)),
            Err(Exceeded::Messages { per_second })
        );
    }

    #[test]
    fn sixteen_mebibytes_a_minute_pass_and_not_a_byte_more() {
        let all = 16 << 20;
        let l = Allowance::default();
        assert_eq!(l.message(all, at(7)), Ok(()));
        let mebibytes = 16;
        let exceeded = Err(Exceeded::Bytes { mebibytes });
        assert_eq!(l.message(1, at(7)), exceeded);
        assert_eq!(l.message(0, at(7)), Ok(()), "a beat carries nothing");
        assert_eq!(l.message(all / 2, at(37)), Ok(()));
        assert_eq!(l.message(all, at(96)), exceeded);
        assert_eq!(l.message(all, at(97)), Ok(()));
    }

    #[test]
    fn thirty_sessions_are_opened_at_once_and_then_twenty_a_minute() {
        let l = Allowance::default();
        let opens = |now| (0..1000).take_while(|_| l.session(now).is_ok()).count();
        assert_eq!(opens(at(7)), 30);
        assert_eq!(opens(at(67)), 20);
        let per_minute = 20;
        assert_eq!(l.session(at(67)), Err(Exceeded::Sessions { per_minute }));
        for minute in 2..1_000 {
            for n in 0..12 {
                let every_five_seconds = at(60 * minute + 5 * n);
                l.session(every_five_seconds)
                    .expect("a network that breaks again and again");
            }
        }
    }

    #[test]
    fn ten_certificates_are_issued_a_minute() {
        let l = Allowance::default();
        let asks = |now| (0..1000).take_while(|_| l.certificate(now).is_ok()).count();
        assert_eq!(asks(at(7)), 10);
        assert_eq!(asks(at(13)), 1);
        assert_eq!(asks(at(1_000)), 10);
    }

    #[test]
    fn a_refused_recovery_is_told_once_an_hour() {
        let l = Allowance::default();
        let told = (0..10_000).filter(|s| l.tells_refusal(at(*s))).count();
        assert_eq!(told, 3);
    }
}
