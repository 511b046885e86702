//! A session from another boot while the present one is open: whoever rebooted left a silent
//! session behind, beside a clone it goes on beating.

use std::sync::atomic::Ordering;
use std::time::Duration;

use h8lio_model::session::{STORE_BEFORE_WELCOME, WELCOME_WITHIN, contest};

use super::table::Open;

/// A newcomer has its place by then, or is told to try again: there is time left for the store,
/// and for the way, before its agent gives up.
pub(super) const SETTLED_WITHIN: Duration = WELCOME_WITHIN
    .saturating_sub(STORE_BEFORE_WELCOME)
    .saturating_sub(Duration::from_secs(5));

/// Looks in one contest.
const LOOKS: u32 = 25;

/// Whether the old session of another boot still lives. What was under way when the new session
/// came does not count; a clone is told at its first beat after that.
pub(super) async fn still_beats(old: &Open, beat: Duration) -> bool {
    let whole = contest(beat);
    let under_way = beat / 2;
    tokio::time::sleep(under_way).await;
    let before = old.beats.load(Ordering::Relaxed);
    for _ in 0..LOOKS {
        tokio::time::sleep((whole - under_way) / LOOKS).await;
        if old.beats.load(Ordering::Relaxed) > before {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[path = "contest_tests.rs"]
mod tests;
