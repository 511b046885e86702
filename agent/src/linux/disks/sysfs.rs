//! `/sys/block`: the kernel's own list, which no missing tool and no lost udev event can empty.

use std::collections::BTreeMap;

use super::mounts;
use crate::host::disks::{RawDrive, RawDrives, RawPartition, RawVirtual};
use crate::linux::root::{Root, unreadable};

/// Block devices that are no drives: memory, files, network, optical, and what is built on
/// other devices.
const NO_DRIVES: [&str; 16] = [
    "loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "rbd", "drbd", "bcache", "zd", "nullb",
    "mtdblock", "rnbd", "ublkb",
];

/// Those of them that are built on others.
const BUILT: [&str; 4] = ["dm-", "md", "bcache", "drbd"];

pub(super) fn drives(root: &Root) -> RawDrives {
    let mut out = RawDrives {
        mounts: mounts::mounts(root),
        swaps: mounts::swaps(root),
        ..RawDrives::default()
    };
    let names = match root.list("sys/block") {
        Ok(names) => names,
        Err(e) => {
            out.problems.push(unreadable("/sys/block", &e));
            return out;
        }
    };
    let by_id = by_id(root);
    let slots = pci_slots(root);
    for name in names {
        if BUILT.iter().any(|p| is_named(&name, p)) {
            built(root, &name, &mut out.virtuals);
        } else if is_drive(root, &name) {
            let mut drive = drive(root, &name, &slots);
            drive.by_id = by_id.get(&drive.device).cloned().unwrap_or_default();
            out.drives.push(drive);
        }
    }
    out
}

/// Whether `name` is `prefix` and a number (`md127`, `dm-0`), or `md_name`.
fn is_named(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
}

fn is_drive(root: &Root, name: &str) -> bool {
    let elsewhere = NO_DRIVES.iter().any(|p| is_named(name, p));
    // eMMC's boot and replay-protected areas are not for data; hidden devices are the single
    // paths of a multipath NVMe drive.
    let part_of_emmc =
        name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
    let hidden = root.flag(format!("sys/block/{name}/hidden")) == Some(true);
    !elsewhere && !part_of_emmc && !hidden
}

fn drive(root: &Root, name: &str, slots: &BTreeMap<String, String>) -> RawDrive {
    let at = |file: &str| format!("sys/block/{name}/{file}");
    let first = |files: &[&str]| files.iter().find_map(|f| root.value(at(f)));
    let serial = first(&["serial", "device/serial"]).or_else(|| vpd_serial(root, name));
    let sys_path = root.link(format!("sys/block/{name}")).unwrap_or_default();
    RawDrive {
        // The kernel writes the `/` of `cciss/c0d0` as `!`.
        device: name.replace('!', "/"),
        number: first(&["dev"]).unwrap_or_default(),
        size_bytes: sectors(root, &at("size")),
        logical_block_size: root.number(at("queue/logical_block_size")),
        rotational: root.flag(at("queue/rotational")),
        read_only: root.flag(at("ro")).unwrap_or(false),
        removable: root.flag(at("removable")).unwrap_or(false),
        wwid: first(&["wwid", "device/wwid"]),
        serial,
        // virtio gives a PCI number here, not a name.
        vendor: first(&["device/vendor"]).filter(|v| !v.starts_with("0x")),
        model: first(&["device/model", "device/name"]),
        firmware: first(&["device/rev", "device/firmware_rev", "device/fwrev"]),
        scsi_driver: scsi_driver(root, &sys_path),
        failed_commands: failed_commands(root, &at("device/ioerr_cnt")),
        sys_path,
        slot: slot(root, name, slots),
        by_id: Vec::new(),
        holders: holders(root, &at("holders")),
        partitions: partitions(root, name),
    }
}

/// Driver of the first SCSI host above the drive, `…/host0/target0:2:0/…`.
fn scsi_driver(root: &Root, sys_path: &str) -> Option<String> {
    let host = sys_path.split('/').find(|part| {
        part.strip_prefix("host")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })?;
    root.value(format!("sys/class/scsi_host/{host}/proc_name"))
}

/// A hexadecimal number with `0x` in front; SCSI drives have it.
fn failed_commands(root: &Root, file: &str) -> Option<u64> {
    let text = root.value(file)?;
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// `/sys` counts in 512-byte sectors, whatever the drive's own sector is.
fn sectors(root: &Root, file: &str) -> u64 {
    root.number::<u64>(file).unwrap_or(0).saturating_mul(512)
}

fn holders(root: &Root, folder: &str) -> Vec<String> {
    let names = root.names(folder).into_iter();
    names.map(|n| n.replace('!', "/")).collect()
}

fn partition_names(root: &Root, name: &str) -> Vec<String> {
    root.names(format!("sys/block/{name}"))
        .into_iter()
        .filter(|n| n.starts_with(name) && root.exists(format!("sys/block/{name}/{n}/partition")))
        .collect()
}

fn partitions(root: &Root, name: &str) -> Vec<RawPartition> {
    let names = partition_names(root, name).into_iter();
    names
        .map(|part| {
            let at = |file: &str| format!("sys/block/{name}/{part}/{file}");
            RawPartition {
                number: root.value(at("dev")).unwrap_or_default(),
                size_bytes: sectors(root, &at("size")),
                holders: holders(root, &at("holders")),
                device: part.replace('!', "/"),
            }
        })
        .collect()
}

/// A built device; the partitions of an md array count as built on it.
fn built(root: &Root, name: &str, all: &mut BTreeMap<String, RawVirtual>) {
    let at = |file: &str| format!("sys/block/{name}/{file}");
    let mut device = RawVirtual {
        number: root.value(at("dev")).unwrap_or_default(),
        dm_name: root.value(at("dm/name")),
        holders: holders(root, &at("holders")),
    };
    for part in partitions(root, name) {
        device.holders.push(part.device.clone());
        let part_device = RawVirtual {
            number: part.number,
            dm_name: None,
            holders: part.holders,
        };
        all.insert(part.device, part_device);
    }
    all.insert(name.to_owned(), device);
}

/// SCSI's page 0x80: four bytes of header, the last two of them the length, then the serial.
fn vpd_serial(root: &Root, name: &str) -> Option<String> {
    let page = root
        .bytes(format!("sys/block/{name}/device/vpd_pg80"))
        .ok()?;
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let serial = page.get(4..)?;
    let serial = String::from_utf8_lossy(&serial[..length.min(serial.len())]).into_owned();
    let serial = serial.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!serial.is_empty()).then(|| serial.to_owned())
}

fn by_id(root: &Root) -> BTreeMap<String, Vec<String>> {
    let folder = "dev/disk/by-id";
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in root.names(folder) {
        if let Some(device) = root.link_name(format!("{folder}/{name}")) {
            all.entry(device).or_default().push(name);
        }
    }
    all
}

/// PCI address without function, to slot name.
fn pci_slots(root: &Root) -> BTreeMap<String, String> {
    let folder = "sys/bus/pci/slots";
    root.names(folder)
        .into_iter()
        .filter_map(|slot| Some((root.value(format!("{folder}/{slot}/address"))?, slot)))
        .collect()
}

fn slot(root: &Root, name: &str, pci: &BTreeMap<String, String>) -> Option<String> {
    let device = root.names(format!("sys/block/{name}/device"));
    let bay = device
        .iter()
        .find_map(|n| n.strip_prefix("enclosure_device:"));
    if let Some(bay) = bay {
        return Some(bay.trim().to_owned());
    }
    let address = root.value(format!("sys/block/{name}/device/address"))?;
    let (without_function, _) = address.rsplit_once('.')?;
    pci.get(without_function).map(|slot| format!("pci {slot}"))
}
