//! `DiskFailing`, `DiskHealthUnknown`, `OsdDown`.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{Disk, DiskFacts, Health, Osd, OsdFacts, OsdManager, RaidRole};
use jiff::Timestamp;

/// The conditions of the disks and of the OSDs on them, `since` = `observed_at` = `now`.
///
/// `DiskHealthUnknown` stands once for the server where `smartctl` is missing, once per disk
/// otherwise.
pub fn conditions(disks: &DiskFacts, osds: &OsdFacts, now: Timestamp) -> Vec<Condition> {
    let no_tool = disks
        .problems
        .iter()
        .find(|p| p.reason == "ToolMissing" && p.what.starts_with("smartctl"));
    let behind = |d: &Disk| matches!(d.raid, Some(RaidRole::Member { .. }));
    let members = disks.disks.iter().any(behind);
    let mut all: Vec<Condition> = disks
        .disks
        .iter()
        .filter_map(|d| match &d.health {
            Health::Healthy => None,
            Health::Failing { evidence } => Some(failing(d, evidence, now)),
            Health::Unknown { reason } if no_tool.is_none() => match &d.raid {
                // Its disks speak for it.
                Some(RaidRole::Volume { .. }) if members => None,
                Some(RaidRole::Volume { driver }) => Some(volume(d, driver, now)),
                _ => Some(unknown(d, reason, now)),
            },
            Health::Unknown { .. } => None,
        })
        .collect();
    if let (Some(problem), false) = (no_tool, disks.disks.is_empty()) {
        all.push(condition(
            ConditionType::DiskHealthUnknown,
            Status::True,
            ("ToolMissing", ""),
            format!(
                "no disk's health can be read: {} (smartmontools)",
                problem.message
            ),
            now,
        ));
    }
    all.extend(osds.osds.iter().filter_map(|o| osd(o, now)));
    all
}

fn condition(
    kind: ConditionType,
    status: Status,
    (reason, subject): (&str, &str),
    message: String,
    now: Timestamp,
) -> Condition {
    Condition {
        kind,
        status,
        reason: reason.to_owned(),
        subject: subject.to_owned(),
        message,
        since: now,
        observed_at: now,
    }
}

fn name(disk: &Disk) -> String {
    let serial = disk.serial.as_deref().unwrap_or("none");
    let slot = disk.slot.as_deref().map(|s| format!(", slot {s}"));
    format!(
        "disk {} (serial {serial}{})",
        disk.device,
        slot.unwrap_or_default()
    )
}

fn failing(disk: &Disk, evidence: &[String], now: Timestamp) -> Condition {
    let message = format!(
        "{} fails: {}; plan its replacement and check the OSDs on it",
        name(disk),
        evidence.join("; ")
    );
    let about = ("DriveReportsFailure", disk.key.as_str());
    condition(
        ConditionType::DiskFailing,
        Status::True,
        about,
        message,
        now,
    )
}

fn volume(disk: &Disk, driver: &str, now: Timestamp) -> Condition {
    let message = format!(
        "{} is a volume of a RAID controller (driver {}), and smartctl finds no disk behind it; ask \
         them with `smartctl -d TYPE,N` (smartctl(8) has the types) or the controller's own tool",
        name(disk),
        crate::words::plain(driver)
    );
    let about = ("BehindController", disk.key.as_str());
    let kind = ConditionType::DiskHealthUnknown;
    condition(kind, Status::True, about, message, now)
}

/// How a person asks the disk.
fn by_hand(disk: &Disk) -> String {
    match &disk.raid {
        Some(RaidRole::Member {
            controller,
            position,
        }) => format!("smartctl -a -d {position} {controller}"),
        _ => format!("smartctl -a /dev/{}", disk.device),
    }
}

fn unknown(disk: &Disk, reason: &str, now: Timestamp) -> Condition {
    let message = format!(
        "health of {} is unknown: {reason}; look at `{}`",
        name(disk),
        by_hand(disk)
    );
    let about = ("NoVerdict", disk.key.as_str());
    let kind = ConditionType::DiskHealthUnknown;
    condition(kind, Status::True, about, message, now)
}

fn osd(osd: &Osd, now: Timestamp) -> Option<Condition> {
    let subject = format!("osd.{}", osd.id);
    let look = match osd.manager {
        OsdManager::Packages => format!("see `journalctl -u ceph-osd@{}`", osd.id),
        OsdManager::Cephadm => format!("see `cephadm logs --name osd.{}`", osd.id),
        OsdManager::Rook => "see its pod's log in the cluster".into(),
        OsdManager::Unknown => "find out who manages it".into(),
    };
    let (status, reason, message) = match osd.running {
        Some(true) => return None,
        Some(false) => (
            Status::True,
            "NotRunning",
            format!("{subject} does not run on this server; {look}"),
        ),
        None => (
            Status::Unknown,
            "ProcessesUnreadable",
            format!("whether {subject} runs cannot be told; {look}"),
        ),
    };
    let about = (reason, subject.as_str());
    Some(condition(
        ConditionType::OsdDown,
        status,
        about,
        message,
        now,
    ))
}
