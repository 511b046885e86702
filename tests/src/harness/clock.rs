//! A clock that goes on by itself and can be moved: by hand as a wrong time server does, or
//! forward as a pause, a suspend or a long time does.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use h8lio_coordinator::clock::{Clock, SystemClock};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The machine's clock and what a test has added to it.
#[derive(Debug, Default)]
pub struct TestClock {
    base: SystemClock,
    wall_ms: AtomicI64,
    mono_ms: AtomicU64,
}

impl TestClock {
    /// Moves the wall clock alone, either way.
    pub fn jump_wall(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).expect("a sensible jump");
        self.wall_ms.fetch_add(by, Ordering::SeqCst);
    }

    /// Lets time pass that nobody saw: both clocks go forward.
    pub fn skip(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a sensible skip");
        self.wall_ms.fetch_add(by.cast_signed(), Ordering::SeqCst);
        self.mono_ms.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let moved = SignedDuration::from_millis(self.wall_ms.load(Ordering::SeqCst));
        self.base.now().checked_add(moved).expect("in range")
    }

    fn mono(&self) -> Duration {
        self.base.mono() + Duration::from_millis(self.mono_ms.load(Ordering::SeqCst))
    }
}

impl TimeProvider for TestClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(Clock::now(self).as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
