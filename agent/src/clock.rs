//! The only door to time. Everything else is handed a [`Moment`], so that it can be tested and
//! simulated.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Time since an arbitrary start; never goes back. Timers live on it.
    pub steady: Duration,
    /// The server's wall clock; may jump either way. Certificates and conditions live on it.
    pub wall: Timestamp,
}

/// Reads time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Both clocks, now.
    fn now(&self) -> Moment;
}

/// A clock that many parts share.
pub type SharedClock = Arc<dyn Clock>;

/// The clocks of this server.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts the steady clock at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to the clocks"
    )]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to the clocks"
    )]
    fn now(&self) -> Moment {
        Moment {
            steady: self.start.elapsed(),
            wall: Timestamp::now(),
        }
    }
}

/// Waits until the steady clock shows `at`.
pub async fn sleep_until(clock: &dyn Clock, at: Duration) {
    tokio::time::sleep(at.saturating_sub(clock.now().steady)).await;
}
