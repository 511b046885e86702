//! The clocks of the bench, which measures real time.

use std::time::Instant;

use jiff::Timestamp;

/// Monotonic.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
pub fn now() -> Instant {
    Instant::now()
}

/// Wall clock.
#[expect(clippy::disallowed_methods, reason = "agents tell their wall clock")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
