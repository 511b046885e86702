//! Timings that both ends of a session have to agree on.

use std::time::Duration;

/// Longest interval of beats that a coordinator may be set to (design: 10 s at 10,000 servers).
pub const LONGEST_BEAT: Duration = Duration::from_secs(10);

/// A session from another boot waits for so many beats while the present one may show that it
/// still lives: the first half beat is not counted, and two whole ones must lie in the rest.
pub const CONTEST_BEATS: u32 = 3;

/// How long the coordinator lets its store put off a Welcome.
pub const STORE_BEFORE_WELCOME: Duration = Duration::from_secs(5);

/// How long an agent waits for Welcome. Whoever gives up before a contest is decided leaves it
/// undecided, and comes back to the next one: a copy would go unnoticed for ever.
pub const WELCOME_WITHIN: Duration = Duration::from_secs(45);

/// How long a contest takes at this pace.
pub const fn contest(beat: Duration) -> Duration {
    beat.saturating_mul(CONTEST_BEATS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scenario: 35 (unit)
    #[test]
    fn an_agent_waits_for_the_end_of_the_longest_contest_and_of_a_slow_store() {
        let longest = contest(LONGEST_BEAT) + STORE_BEFORE_WELCOME;
        assert!(WELCOME_WITHIN >= longest + Duration::from_secs(10));
    }
}
