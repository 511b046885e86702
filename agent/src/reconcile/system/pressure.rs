//! File systems and memory that run out. Each limit has two values, one to raise the condition
//! and a milder one to clear it.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{FilesystemUsage, Memory, Vitals};
use jiff::Timestamp;

/// Room below this share is too little, percent to raise and to clear …
const ROOM_PERCENT: (u64, u64) = (10, 15);
/// … but nobody needs more than this, bytes: a tenth of a large file system is plenty.
const ROOM_ENOUGH: (u64, u64) = (10 << 30, 15 << 30);
/// Free inodes, percent to raise and to clear.
const INODES_PERCENT: (u64, u64) = (5, 8);
/// Available memory, percent to raise and to clear.
const MEMORY_PERCENT: (u64, u64) = (5, 8);
/// Share of the last ten seconds in which *all* tasks waited for memory, percent.
const STALL_PERCENT: (f64, f64) = (10.0, 5.0);

/// Pressure on one file system. A root or `/var` that the kernel turned read-only (it does so
/// upon errors) is the worst case of "nearly full".
pub(super) fn filesystem(
    fs: &FilesystemUsage,
    before: &[Condition],
    now: Timestamp,
) -> Option<Condition> {
    let kind = ConditionType::FilesystemPressure;
    let raised = stands(before, kind, &fs.mount);
    let pick = |(raise, clear): (u64, u64)| if raised { clear } else { raise };

    let share = u128::from(fs.total_bytes) * u128::from(pick(ROOM_PERCENT)) / 100;
    let needed = u64::try_from(share)
        .unwrap_or(u64::MAX)
        .min(pick(ROOM_ENOUGH));
    let few_inodes = fs
        .inodes_total
        .zip(fs.inodes_free)
        .is_some_and(|(total, free)| {
            u128::from(free) * 100 < u128::from(total) * u128::from(pick(INODES_PERCENT))
        });
    let (reason, cause) = if fs.read_only && matches!(fs.mount.as_str(), "/" | "/var") {
        let next = "the kernel does this upon errors; see the kernel log";
        ("ReadOnly", format!("is mounted read-only: {next}"))
    } else if fs.total_bytes > 0 && fs.available_bytes < needed {
        let left = mib(fs.available_bytes);
        let (of, wanted) = (mib(fs.total_bytes), mib(needed));
        let cause = format!("has {left} MiB of {of} MiB left, less than {wanted} MiB");
        ("SpaceLow", format!("{cause}; free space or grow it"))
    } else if few_inodes {
        let cause = "has almost no inodes left; remove many small files or make it anew";
        ("InodesLow", cause.to_owned())
    } else {
        return None;
    };
    let message = format!("file system {} {cause}", fs.mount);
    Some(condition(kind, reason, &fs.mount, message, now))
}

/// Pressure on memory: little available, or all tasks stalled for it.
pub(super) fn memory(
    memory: &Memory,
    vitals: &Vitals,
    before: &[Condition],
    now: Timestamp,
) -> Option<Condition> {
    let kind = ConditionType::MemoryPressure;
    let raised = stands(before, kind, "");
    let limit = if raised {
        MEMORY_PERCENT.1
    } else {
        MEMORY_PERCENT.0
    };
    let stall_limit = if raised {
        STALL_PERCENT.1
    } else {
        STALL_PERCENT.0
    };

    let (available, total) = (vitals.memory_available_bytes, memory.total_bytes);
    // Zero stands for "not read": a running agent has some.
    let known = total > 0 && available > 0;
    let low = known && u128::from(available) * 100 < u128::from(total) * u128::from(limit);
    let stalled = vitals.pressure.get("memory").and_then(|p| p.full_avg10);
    let stalled = stalled.filter(|s| *s > stall_limit);
    let (reason, cause) = if low {
        let cause = format!("{} MiB of {} MiB are available", mib(available), mib(total));
        ("AvailableLow", cause)
    } else {
        let share = stalled?;
        (
            "Stalled",
            format!("all tasks waited for memory {share:.0} % of the last ten seconds"),
        )
    };
    let message = format!("memory is nearly exhausted: {cause}; find the process that grows");
    Some(condition(kind, reason, "", message, now))
}

fn stands(before: &[Condition], kind: ConditionType, subject: &str) -> bool {
    before
        .iter()
        .any(|c| c.key() == (kind, subject) && c.status == Status::True)
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn condition(
    kind: ConditionType,
    reason: &str,
    subject: &str,
    message: String,
    now: Timestamp,
) -> Condition {
    Condition {
        kind,
        status: Status::True,
        reason: reason.to_owned(),
        subject: subject.to_owned(),
        message,
        since: now,
        observed_at: now,
    }
}

#[cfg(test)]
mod tests {
    use h8lio_model::inventory::Pressure;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn fs(total: u64, available: u64) -> FilesystemUsage {
        FilesystemUsage {
            mount: "/var".into(),
            total_bytes: total << 20,
            available_bytes: available << 20,
            ..FilesystemUsage::default()
        }
    }

    #[test]
    fn a_file_system_at_its_limit_does_not_flap() {
        assert_eq!(filesystem(&fs(1000, 100), &[], NOW), None);
        let raised = filesystem(&fs(1000, 99), &[], NOW).expect("raised below 10 %");
        assert_eq!(
            (raised.reason.as_str(), raised.subject.as_str()),
            ("SpaceLow", "/var")
        );
        let before = [raised];
        assert!(
            filesystem(&fs(1000, 149), &before, NOW).is_some(),
            "not yet clear"
        );
        assert_eq!(
            filesystem(&fs(1000, 150), &before, NOW),
            None,
            "clear at 15 %"
        );
    }

    #[test]
    fn a_tenth_of_a_large_file_system_is_not_demanded() {
        assert_eq!(filesystem(&fs(8 << 20, 11 << 10), &[], NOW), None);
        assert!(filesystem(&fs(8 << 20, 9 << 10), &[], NOW).is_some());
    }

    #[test]
    fn missing_inodes_and_a_read_only_var_are_told_apart_from_missing_space() {
        let few = FilesystemUsage {
            inodes_total: Some(1000),
            inodes_free: Some(10),
            ..fs(1000, 900)
        };
        assert_eq!(
            filesystem(&few, &[], NOW).expect("raised").reason,
            "InodesLow"
        );
        let read_only = FilesystemUsage {
            read_only: true,
            ..fs(1000, 900)
        };
        assert_eq!(
            filesystem(&read_only, &[], NOW).expect("raised").reason,
            "ReadOnly"
        );
    }

    #[test]
    fn an_empty_reading_is_not_pressure() {
        assert_eq!(filesystem(&fs(0, 0), &[], NOW), None);
        assert_eq!(
            memory(&Memory::default(), &Vitals::default(), &[], NOW),
            None
        );
    }

    #[test]
    fn memory_is_judged_by_what_is_available_and_by_stalls() {
        let installed = Memory {
            total_bytes: 1000 << 20,
            ..Memory::default()
        };
        let mut vitals = Vitals {
            memory_available_bytes: 49 << 20,
            ..Vitals::default()
        };
        let raised = memory(&installed, &vitals, &[], NOW).expect("raised below 5 %");
        assert_eq!(raised.reason, "AvailableLow");
        vitals.memory_available_bytes = 79 << 20;
        let before = [raised];
        assert!(memory(&installed, &vitals, &before, NOW).is_some());
        vitals.memory_available_bytes = 80 << 20;
        assert_eq!(memory(&installed, &vitals, &before, NOW), None);

        let stalled = Pressure {
            some_avg10: 60.0,
            full_avg10: Some(40.0),
        };
        vitals.pressure.insert("memory".into(), stalled);
        let raised = memory(&installed, &vitals, &[], NOW).expect("raised by stalls");
        assert_eq!(raised.reason, "Stalled");
    }
}
