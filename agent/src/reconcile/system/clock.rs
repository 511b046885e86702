//! Whether the wall clock is kept right: the kernel's answer first, then the daemon's.

use h8lio_model::inventory::{ClockSource, ClockSync, Problem};
use jiff::{SignedDuration, Timestamp};

use crate::host::os::RawClock;

/// timesyncd asks at least every 2048 s (`PollIntervalMaxSec`); after four silent rounds its last
/// word counts no more.
const TIMESYNCD_FRESH: SignedDuration = SignedDuration::from_secs(4 * 2048);

/// Judges the raw facts.
pub fn assess(raw: &RawClock, now: Timestamp) -> (ClockSync, Vec<Problem>) {
    let touched = raw.timesyncd_touched.and_then(|at| {
        let age = now.duration_since(at);
        // Old, or from the future: it proves nothing, in neither direction.
        (!age.is_negative() && age <= TIMESYNCD_FRESH).then_some(true)
    });
    let said = [
        (ClockSource::Kernel, raw.kernel_synchronized),
        (ClockSource::Timedated, raw.timedated_synchronized),
        (ClockSource::Chrony, raw.chrony_synchronized),
        (ClockSource::Timesyncd, touched),
    ];
    let first = said.into_iter().find_map(|(by, said)| Some((by, said?)));
    let synchronized = first.map(|(_, said)| said);
    let sync = ClockSync {
        synchronized,
        source: first.map(|(by, _)| by),
        daemon: daemon(&raw.daemons),
    };
    // Why one way of asking did not work matters only when none did.
    let problems = match synchronized {
        Some(_) => Vec::new(),
        None => raw.problems.clone(),
    };
    (sync, problems)
}

/// One name; two daemons that fight over the clock are both named.
fn daemon(processes: &[String]) -> Option<String> {
    let named: Vec<&str> = processes
        .iter()
        .map(|p| match p.as_str() {
            "chronyd" => "chrony",
            "systemd-timesyn" | "systemd-timesyncd" => "systemd-timesyncd",
            "ntpd" => "ntpd",
            other => other,
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn the_kernels_word_comes_before_the_daemons() {
        let raw = RawClock {
            kernel_synchronized: Some(false),
            chrony_synchronized: Some(true),
            timesyncd_touched: Some(at(90)),
            ..RawClock::default()
        };
        let sync = assess(&raw, at(100)).0;
        assert_eq!(sync.synchronized, Some(false));
        assert_eq!(sync.source, Some(ClockSource::Kernel));
        let deaf = RawClock {
            kernel_synchronized: None,
            ..raw
        };
        let sync = assess(&deaf, at(100)).0;
        assert_eq!(
            sync.source,
            Some(ClockSource::Chrony),
            "who says so is named"
        );
    }

    #[test]
    fn an_old_touch_of_timesyncd_proves_nothing() {
        let touched = |second| RawClock {
            timesyncd_touched: Some(at(second)),
            ..RawClock::default()
        };
        assert_eq!(
            assess(&touched(99_000), at(100_000)).0.synchronized,
            Some(true)
        );
        assert_eq!(assess(&touched(10_000), at(100_000)).0.synchronized, None);
        assert_eq!(assess(&touched(200_000), at(100_000)).0.synchronized, None);
    }

    #[test]
    fn when_nobody_can_be_asked_the_answer_is_unknown_with_the_cause() {
        let raw = RawClock {
            problems: vec![Problem {
                what: "timedatectl".into(),
                reason: "ToolMissing".into(),
                message: "m".into(),
            }],
            ..RawClock::default()
        };
        let (sync, problems) = assess(&raw, at(1));
        assert_eq!(sync.synchronized, None);
        assert_eq!(problems.len(), 1);
    }
}
