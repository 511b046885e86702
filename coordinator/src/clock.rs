//! The one place of this crate that reads time. Everything else is handed a [`Clock`], so that
//! tests decide what time it is.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// What time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time: for people and records, never for a decision about how long something
    /// took (it may jump a day either way).
    fn now(&self) -> Timestamp;

    /// Time since this process looked first, in steps that only go forward. It goes on while the
    /// machine is suspended (`CLOCK_BOOTTIME`), so a lease does not live longer than its holder
    /// believes.
    fn mono(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Duration,
}

impl SystemClock {
    /// A clock whose [`Clock::mono`] starts at zero.
    pub fn new() -> Self {
        Self { start: boottime() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock of the crate")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn mono(&self) -> Duration {
        boottime().saturating_sub(self.start)
    }
}

/// `CLOCK_BOOTTIME`. Linux has it since 2.6.39, so reading it cannot fail on a server that runs
/// this program; zero would only make leases live longer, never shorter.
fn boottime() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}

/// A clock that stands still until it is told to move: for tests and the simulator.
#[derive(Debug)]
pub struct ManualClock {
    at: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that shows `now` and a [`Clock::mono`] of zero.
    pub fn new(now: Timestamp) -> Self {
        Self {
            at: Mutex::new((now, Duration::ZERO)),
        }
    }

    /// Moves both clocks forward. The wall clock stops at its end ([`Timestamp::MAX`]).
    pub fn advance(&self, by: Duration) {
        let mut at = self.lock();
        at.0 = at.0.checked_add(by).unwrap_or(Timestamp::MAX);
        at.1 += by;
    }

    /// Sets the wall clock alone, as a wrong NTP server would.
    pub fn jump_wall(&self, to: Timestamp) {
        self.lock().0 = to;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::UNIX_EPOCH)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn mono(&self) -> Duration {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_starts_at_zero_and_goes_forward() {
        let c = SystemClock::new();
        let (a, b) = (c.mono(), c.mono());
        assert!(a <= b && b < Duration::from_secs(60));
        assert!(c.now() > Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn a_jump_of_the_wall_clock_moves_no_deadline() {
        let c = ManualClock::default();
        c.advance(Duration::from_secs(5));
        c.jump_wall(Timestamp::MAX);
        assert_eq!(c.mono(), Duration::from_secs(5));
        assert_eq!(c.now(), Timestamp::MAX);
    }
}
