//! When the dear reading of packages is due.

use jiff::{SignedDuration, Timestamp};

use crate::host::packages::PackagesFingerprint;

/// Readings are at least this far apart: during an upgrade the fingerprint changes all the time.
const LEAST: SignedDuration = SignedDuration::from_secs(60);

/// Replaced libraries and services are in no fingerprint.
const MOST: SignedDuration = SignedDuration::from_hours(6);

/// The last dear reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRead {
    /// Taken before the reading, so that a change during it is seen afterwards.
    pub fingerprint: PackagesFingerprint,
    pub at: Timestamp,
    /// A package manager was at work.
    pub busy: bool,
}

/// Whether packages must be read now. The first reading is due at once; later ones a minute after
/// the last when something changed or a package manager was at work, and after six hours anyway.
/// A clock that went backwards makes it due.
pub fn must_read(last: Option<&LastRead>, current: &PackagesFingerprint, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    let age = now.duration_since(last.at);
    if age.is_negative() || age >= MOST {
        return true;
    }
    age >= LEAST && (last.busy || last.fingerprint != *current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_after_a_minute_and_silence_after_six_hours() {
        let at = |s| Timestamp::from_second(s).expect("in range");
        let same = PackagesFingerprint::default();
        let other = PackagesFingerprint {
            boot: "b".into(),
            ..PackagesFingerprint::default()
        };
        let mut last = LastRead {
            fingerprint: same.clone(),
            at: at(1000),
            busy: false,
        };
        assert!(must_read(None, &same, at(0)));
        assert!(!must_read(Some(&last), &other, at(1059)));
        assert!(must_read(Some(&last), &other, at(1060)));
        assert!(!must_read(Some(&last), &same, at(1000 + 6 * 3600 - 1)));
        assert!(must_read(Some(&last), &same, at(1000 + 6 * 3600)));
        assert!(must_read(Some(&last), &same, at(999)));
        last.busy = true;
        assert!(must_read(Some(&last), &same, at(1060)));
    }
}
