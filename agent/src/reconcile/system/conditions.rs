//! `ClockUnsynchronized`, `FilesystemPressure`, `MemoryPressure`.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{ClockSource, ClockSync, Memory, OsFacts, Vitals};
use jiff::Timestamp;

use super::pressure;

/// A wall clock further than this from the coordinator's is wrong, milliseconds. Certificates,
/// leases and logs compare times of several servers; Ceph's monitors already complain at 50 ms,
/// but a beat's round trip measures no finer than this.
const OFFSET_LIMIT_MS: i64 = 2000;

/// The conditions of the system, `since` = `observed_at` = `now`. `before` are the server's
/// conditions as last reported: pressure is raised at one limit and cleared at another, so that a
/// value at the limit does not flap (limits in `pressure.rs`).
pub fn conditions(
    os: &OsFacts,
    memory: &Memory,
    vitals: &Vitals,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let mut all: Vec<Condition> = clock(&os.clock, vitals.clock_offset_ms, now)
        .into_iter()
        .collect();
    all.extend(
        vitals
            .filesystems
            .iter()
            .filter_map(|f| pressure::filesystem(f, before, now)),
    );
    all.extend(pressure::memory(memory, vitals, before, now));
    all
}

fn clock(sync: &ClockSync, offset_ms: Option<i64>, now: Timestamp) -> Option<Condition> {
    let keeper = match sync.daemon.as_deref() {
        Some(daemon) => format!("look at {daemon} and its time servers"),
        None => "no daemon that keeps the clock was found; install chrony".into(),
    };
    let offset = offset_ms.filter(|ms| ms.unsigned_abs() > OFFSET_LIMIT_MS.unsigned_abs());
    let (status, reason, message) = match (sync.synchronized, offset) {
        (_, Some(ms)) => (
            Status::True,
            "OffsetFromCoordinator",
            format!("the clock differs from the coordinator's by {ms} ms; {keeper}"),
        ),
        (Some(true), None) => return None,
        (Some(false), None) => (
            Status::True,
            "NotSynchronized",
            format!(
                "the clock is not synchronised{}; {keeper}",
                sync.source.map(says).unwrap_or_default()
            ),
        ),
        (None, None) => (
            Status::Unknown,
            "NobodyToAsk",
            format!("whether the clock is synchronised cannot be told; {keeper}"),
        ),
    };
    Some(Condition {
        kind: ConditionType::ClockUnsynchronized,
        status,
        reason: reason.to_owned(),
        subject: String::new(),
        message,
        since: now,
        observed_at: now,
    })
}

fn says(source: ClockSource) -> &'static str {
    match source {
        ClockSource::Kernel => ", says the kernel (adjtimex)",
        ClockSource::Timedated => ", says systemd-timedated",
        ClockSource::Chrony => ", says chronyd",
        ClockSource::Timesyncd => ", says systemd-timesyncd",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some(true), None, None)]
    #[case(Some(true), Some(1999), None)]
    #[case(Some(true), Some(-2001), Some((Status::True, "OffsetFromCoordinator")))]
    #[case(Some(false), None, Some((Status::True, "NotSynchronized")))]
    #[case(None, None, Some((Status::Unknown, "NobodyToAsk")))]
    fn a_clock_is_judged_by_its_keeper_and_by_the_coordinator(
        #[case] synchronized: Option<bool>,
        #[case] offset: Option<i64>,
        #[case] is: Option<(Status, &str)>,
    ) {
        let sync = ClockSync {
            synchronized,
            source: Some(ClockSource::Kernel),
            daemon: None,
        };
        let found = clock(&sync, offset, Timestamp::UNIX_EPOCH);
        let named = |c: &Condition| c.message.contains("says the kernel (adjtimex)");
        assert!(
            found
                .iter()
                .all(|c| named(c) == (c.reason == "NotSynchronized")),
            "{found:?}"
        );
        let found = found.map(|c| (c.status, c.reason));
        assert_eq!(
            found,
            is.map(|(status, reason)| (status, reason.to_owned()))
        );
    }
}
