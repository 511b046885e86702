//! Disks behind RAID controllers. The kernel sees the controller's volumes; the disks below them
//! answer only to smartctl with the controller's own words.

use h8lio_model::inventory::{Disk, Health, Problem, RaidRole, Transport, UnusableReason};
use serde_json::Value;

use super::history::History;
use super::identity::{self, Claim};
use super::smart;
use super::text::for_people;
use crate::host::disks::{RawDrive, RawMember, RawSmart};

/// Kernel drivers of RAID controllers (`proc_name` of the SCSI host). Disks that such a controller
/// passes through answer smartctl like any other.
const DRIVERS: [&str; 9] = [
    "megaraid_sas",
    "hpsa",
    "smartpqi",
    "aacraid",
    "arcmsr",
    "3w-9xxx",
    "3w-sas",
    "3w-xxxx",
    "hptiop",
];

/// Drivers of plain adapters that can also make volumes.
const ADAPTERS: [&str; 3] = ["mpt3sas", "mpt2sas", "mptsas"];

/// A disk behind a controller and what it answered.
pub type Member = (RawMember, Result<RawSmart, Problem>);

/// The controller's driver, when `drive` may be a volume of it.
pub fn volume_of(drive: &RawDrive) -> Option<&str> {
    let driver = drive.scsi_driver.as_deref()?;
    let model = drive.model.as_deref().unwrap_or_default();
    let volume = model.to_ascii_lowercase().contains("logical volume");
    (DRIVERS.contains(&driver) || ADAPTERS.contains(&driver) && volume).then_some(driver)
}

/// The role of a drive whose own word on its health is `health`.
pub(super) fn role(drive: &RawDrive, health: &Health) -> Option<RaidRole> {
    let driver = volume_of(drive)?;
    matches!(health, Health::Unknown { .. }).then(|| RaidRole::Volume {
        driver: driver.to_owned(),
    })
}

/// What the memory of a disk behind a controller hangs by.
pub fn name(member: &RawMember, answer: &Result<RawSmart, Problem>) -> String {
    let claim = claim(member, answer);
    let own = claim.wwn.or(claim.serial);
    own.unwrap_or(claim.device)
}

pub(super) fn claim(member: &RawMember, answer: &Result<RawSmart, Problem>) -> Claim {
    let json = answer.as_ref().ok().map(|a| &a.json);
    Claim {
        device: format!("{} {}", member.device, member.position),
        wwn: json.and_then(wwn),
        serial: json
            .and_then(|j| j["serial_number"].as_str())
            .and_then(identity::serial),
    }
}

/// smartctl gives a SCSI drive's name as text and an ATA drive's in three numbers.
fn wwn(json: &Value) -> Option<String> {
    if let Some(text) = json["logical_unit_id"].as_str() {
        return identity::wwn(text);
    }
    let part = |name: &str| json["wwn"][name].as_u64();
    let (naa, oui, id) = (part("naa")?, part("oui")?, part("id")?);
    identity::wwn(&format!("0x{naa:x}{oui:06x}{id:09x}"))
}

/// The disk as far as smartctl tells. Never free: only the controller can give it away.
pub(super) fn disk(
    (member, answer): &Member,
    key: h8lio_model::inventory::DiskKey,
    history: &History,
) -> (Disk, Option<i32>) {
    let says = match answer {
        Ok(raw) => smart::read(raw),
        Err(problem) => smart::Reading::unknown(problem.message.clone()),
    };
    let json = answer.as_ref().map_or(&Value::Null, |a| &a.json);
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|n| json[*n].as_str());
        found.and_then(for_people)
    };
    let claim = claim(member, answer);
    let role = RaidRole::Member {
        controller: member.device.clone(),
        position: member.position.clone(),
    };
    let disk = Disk {
        key,
        device: claim.device,
        wwn: claim.wwn,
        serial: text(&["serial_number"]),
        vendor: text(&["scsi_vendor", "vendor"]),
        model: text(&["scsi_product", "model_name", "product"]),
        firmware: text(&["firmware_version", "scsi_revision", "revision"]),
        transport: transport(json),
        size_bytes: json["user_capacity"]["bytes"].as_u64().unwrap_or(0),
        logical_block_size: json["logical_block_size"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(512),
        // smartctl: revolutions a minute, zero for none.
        rotational: json["rotation_rate"].as_u64().map(|n| n > 0),
        read_only: false,
        removable: false,
        by_id: Vec::new(),
        slot: None,
        partitions: Vec::new(),
        holders: Vec::new(),
        mounts: Vec::new(),
        signatures: Vec::new(),
        health: history.past_of(&name(member, answer)).weigh(says.health),
        unreadable_sectors: None,
        smart: says.summary,
        raid: Some(role),
        unusable: vec![UnusableReason::BehindController {
            controller: member.device.clone(),
        }],
    };
    (disk, says.temperature)
}

fn transport(json: &Value) -> Transport {
    if json["scsi_transport_protocol"]["name"]
        .as_str()
        .is_some_and(|n| n.contains("SAS"))
    {
        return Transport::Sas;
    }
    match json["device"]["protocol"].as_str() {
        Some("ATA") => Transport::Sata,
        Some("NVMe") => Transport::Nvme,
        Some("SCSI") => Transport::Scsi,
        _ => Transport::Other,
    }
}
