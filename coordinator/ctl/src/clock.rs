//! The only place that reads the wall clock; used where no coordinator can be asked for its own.

use jiff::Timestamp;

/// Now, by this computer's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock of h8lctl: certificates are checked before a coordinator is asked"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}
