//! Raw drives become [`Disk`]s.

use std::collections::BTreeMap;

use h8lio_model::inventory::{Disk, DiskFacts, DiskKey, Partition, Problem, RaidRole, Transport};
use jiff::Timestamp;

use super::history::History;
use super::identity::{self, Claim};
use super::raid::{self, Member};
use super::smart;
use super::text::for_people;
use super::unusable::{Signatures, Stack};
use crate::host::disks::{RawDrive, RawDrives, RawSignatures, RawSmart};

/// The last answer of each drive, by kernel name.
pub type SmartAnswers = BTreeMap<String, Result<RawSmart, Problem>>;

/// What the raw facts say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assessment {
    pub facts: DiskFacts,
    /// Degrees Celsius by disk key.
    pub temperatures: BTreeMap<String, i32>,
}

/// What else is known: of the past, and of disks behind controllers.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    pub history: History,
    pub members: Vec<Member>,
    /// Whether the kernel's log can be read.
    pub kernel_log: bool,
}

/// Judges every drive. Disks come sorted by key.
pub fn assess(
    drives: &RawDrives,
    signatures: &Result<BTreeMap<String, RawSignatures>, Problem>,
    answers: &SmartAnswers,
    beside: &Beside,
    now: Timestamp,
) -> Assessment {
    let all = &drives.drives;
    let mut claims: Vec<Claim> = all
        .iter()
        .map(|d| claim(d, signatures.as_ref().ok().and_then(|s| s.get(&d.device))))
        .collect();
    let members = only_behind(&beside.members, &claims);
    claims.extend(members.iter().map(|(m, answer)| raid::claim(m, answer)));
    let mut keys = identity::keys(&claims).into_iter();
    let mut out = Assessment::default();
    out.facts.problems = problems(drives, signatures, answers);
    for ((drive, claim), key) in all.iter().zip(&claims).zip(keys.by_ref()) {
        let stack = Stack::of(drive, drives, signatures);
        let says = verdict(drive, answers.get(&drive.device));
        let past = beside.history.past(drive, now);
        let sectors = beside.kernel_log.then_some(past.unreadable_sectors);
        let raid = raid::role(drive, &says.health);
        let says = smart::Reading {
            health: past.weigh(says.health),
            ..says
        };
        out.add(disk(&stack, claim, key, (says, sectors, raid)));
    }
    for (member, key) in members.into_iter().zip(keys) {
        out.add(raid::disk(member, key, &beside.history));
    }
    out.facts.disks.sort_by(|a, b| a.key.cmp(&b.key));
    out
}

impl Assessment {
    fn add(&mut self, (disk, temperature): (Disk, Option<i32>)) {
        if let Some(t) = temperature {
            self.temperatures.insert(disk.key.as_str().to_owned(), t);
        }
        self.facts.disks.push(disk);
    }
}

/// Without those that the controller passes through, which are drives of the kernel's as well: the
/// same serial twice would be none.
fn only_behind<'m>(members: &'m [Member], drives: &[Claim]) -> Vec<&'m Member> {
    let passed_through = |(member, answer): &&Member| {
        let behind = raid::claim(member, answer);
        drives.iter().any(|d| {
            let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
            same(&d.wwn, &behind.wwn) || same(&d.serial, &behind.serial)
        })
    };
    members.iter().filter(|m| !passed_through(m)).collect()
}

/// The kernel's word on identity comes before udev's, so that a key is the same whether or not
/// lsblk could be asked.
fn claim(drive: &RawDrive, udev: Option<&RawSignatures>) -> Claim {
    let first =
        |kernel: &Option<String>, udev: Option<&String>, read: fn(&str) -> Option<String>| {
            kernel
                .as_deref()
                .and_then(read)
                .or_else(|| udev.and_then(|t| read(t)))
        };
    Claim {
        device: drive.device.clone(),
        wwn: first(
            &drive.wwid,
            udev.and_then(|u| u.wwn.as_ref()),
            identity::wwn,
        ),
        serial: first(
            &drive.serial,
            udev.and_then(|u| u.serial.as_ref()),
            identity::serial,
        ),
    }
}

fn problems(drives: &RawDrives, signatures: &Signatures, answers: &SmartAnswers) -> Vec<Problem> {
    let mut all = drives.problems.clone();
    all.extend(signatures.as_ref().err().cloned());
    for problem in answers.values().filter_map(|a| a.as_ref().err()) {
        // A tool that is not there is one problem, not one per drive.
        if !all.contains(problem) {
            all.push(problem.clone());
        }
    }
    all
}

/// What the drive says of itself.
pub(super) fn verdict(
    drive: &RawDrive,
    answer: Option<&Result<RawSmart, Problem>>,
) -> smart::Reading {
    let unknown = smart::Reading::unknown;
    match answer {
        None => unknown("the drive has not been asked yet".into()),
        Some(Err(problem)) => unknown(problem.message.clone()),
        // Device names move; a reading must not follow the name onto another drive.
        Some(Ok(raw)) if is_of_another(drive, raw) => unknown(format!(
            "the last reading of {} is of another drive; it will be asked again",
            drive.device
        )),
        Some(Ok(raw)) => smart::read(raw),
    }
}

fn is_of_another(drive: &RawDrive, raw: &RawSmart) -> bool {
    let said = raw.json["serial_number"]
        .as_str()
        .and_then(identity::serial);
    let own = drive.serial.as_deref().and_then(identity::serial);
    matches!((said, own), (Some(a), Some(b)) if a != b)
}

fn disk(
    stack: &Stack<'_>,
    claim: &Claim,
    key: DiskKey,
    (says, sectors, raid): (smart::Reading, Option<u32>, Option<RaidRole>),
) -> (Disk, Option<i32>) {
    let drive = stack.drive;
    let udev = stack.raw_signatures(&drive.device);
    let shown = |kernel: &Option<String>, udev: Option<&Option<String>>| {
        let udev = udev.and_then(Option::as_deref);
        kernel
            .as_deref()
            .and_then(for_people)
            .or_else(|| udev.and_then(for_people))
    };
    let disk = Disk {
        unusable: stack.reasons(&key, &says.health),
        key,
        device: drive.device.clone(),
        wwn: claim.wwn.clone(),
        // Shown even where it is too odd to be a key.
        serial: shown(&drive.serial, udev.map(|u| &u.serial)),
        vendor: shown(&drive.vendor, udev.map(|u| &u.vendor)),
        model: shown(&drive.model, udev.map(|u| &u.model)),
        firmware: shown(&drive.firmware, udev.map(|u| &u.firmware)),
        transport: transport(drive, udev.and_then(|u| u.transport.as_deref())),
        size_bytes: drive.size_bytes,
        logical_block_size: drive.logical_block_size.unwrap_or(512),
        rotational: drive.rotational,
        read_only: drive.read_only,
        removable: drive.removable,
        by_id: drive.by_id.iter().filter_map(|n| for_people(n)).collect(),
        slot: drive.slot.as_deref().and_then(for_people),
        partitions: partitions(stack),
        holders: drive.holders.clone(),
        mounts: stack.mounts(),
        signatures: stack.signatures_on(&drive.device),
        health: says.health,
        unreadable_sectors: sectors,
        smart: says.summary,
        raid,
    };
    (disk, says.temperature)
}

fn partitions(stack: &Stack<'_>) -> Vec<Partition> {
    let all = stack.drive.partitions.iter();
    all.map(|p| Partition {
        device: p.device.clone(),
        size_bytes: p.size_bytes,
        holders: p.holders.clone(),
        signatures: stack.signatures_on(&p.device),
    })
    .collect()
}

fn transport(drive: &RawDrive, udev: Option<&str>) -> Transport {
    let on = |part: &str| drive.sys_path.contains(part);
    match udev {
        Some("sata" | "ata") => return Transport::Sata,
        Some("sas") => return Transport::Sas,
        Some("nvme") => return Transport::Nvme,
        Some("usb") => return Transport::Usb,
        _ => {}
    }
    match drive.device.as_str() {
        d if d.starts_with("nvme") => Transport::Nvme,
        d if d.starts_with("mmcblk") => Transport::Mmc,
        d if d.starts_with("vd") => Transport::Virtio,
        _ if on("/usb") => Transport::Usb,
        _ if on("/ata") => Transport::Sata,
        _ if on("/end_device-") => Transport::Sas,
        d if d.starts_with("sd") => Transport::Scsi,
        _ => Transport::Other,
    }
}
