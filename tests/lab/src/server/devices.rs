//! Block nodes and devices in QEMU's words: the same JSON starts a server with a disk and plugs
//! the disk into a running one.
//!
//! A data disk is `raw` over a `file` node. A fault puts a `blkdebug` node between the two, which
//! QEMU can do and undo while the disk is in use.

use std::path::Path;

use serde_json::{Value, json};

use super::spec::{Bus, Disk, Fault};

/// Root ports that NVMe disks are plugged into; a disk's number chooses its port.
pub(super) const PORTS: std::ops::RangeInclusive<u8> = 1..=9;

/// errno that a SCSI disk of QEMU reports as "medium error".
const ENODATA: i32 = 61;
/// errno that an NVMe disk of QEMU reports as "media error".
const EIO: i32 = 5;

/// The node that holds the file.
pub(super) fn file_node(disk: &Disk, file: &Path) -> Value {
    json!({"driver": "file", "node-name": file_name(disk), "filename": file})
}

/// The node that fails.
pub(super) fn fault_node(disk: &Disk, fault: Fault) -> Value {
    let errno = match disk.bus {
        Bus::Scsi => ENODATA,
        Bus::Nvme => EIO,
    };
    let rule = match fault {
        Fault::Read { sector } => {
            json!({"event": "none", "iotype": "read", "errno": errno, "sector": sector, "once": false})
        }
        Fault::Write => json!({"event": "none", "iotype": "write", "errno": EIO, "once": false}),
    };
    json!({
        "driver": "blkdebug", "node-name": fault_name(disk), "image": file_name(disk),
        "inject-error": [rule],
    })
}

/// The node that the device uses, above the faulty one where there is a fault.
pub(super) fn raw_node(disk: &Disk) -> Value {
    let below = match disk.fault {
        Some(_) => fault_name(disk),
        None => file_name(disk),
    };
    json!({"driver": "raw", "node-name": disk.id(), "file": below})
}

/// Every node of a disk, the lowest first.
pub(super) fn nodes(disk: &Disk, file: &Path) -> Vec<Value> {
    let fault = disk.fault.map(|fault| fault_node(disk, fault));
    std::iter::once(file_node(disk, file))
        .chain(fault)
        .chain(std::iter::once(raw_node(disk)))
        .collect()
}

/// The device. Errors go to the server instead of stopping it.
pub(super) fn device(disk: &Disk, server: u8) -> Value {
    let (id, node) = (device_id(disk), disk.id());
    match disk.bus {
        Bus::Scsi => json!({
            "driver": "scsi-hd", "id": id, "drive": node, "bus": "scsi0.0",
            "channel": 0, "scsi-id": disk.number, "lun": 0,
            "serial": disk.serial(server), "wwn": disk.wwn(server),
            "vendor": "H8LAB", "product": if disk.rotates { "HDD" } else { "SSD" },
            "rotation_rate": if disk.rotates { 7200 } else { 1 },
            "rerror": "report", "werror": "report",
        }),
        Bus::Nvme => json!({
            "driver": "nvme", "id": id, "drive": node, "bus": format!("port{}", disk.number),
            "serial": disk.serial(server),
        }),
    }
}

/// Whether a device is gone shows here.
pub(super) fn device_id(disk: &Disk) -> String {
    format!("{}-device", disk.id())
}

pub(super) fn file_name(disk: &Disk) -> String {
    format!("{}-file", disk.id())
}

pub(super) fn fault_name(disk: &Disk) -> String {
    format!("{}-fault", disk.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_disk_reads_through_the_faulty_node() {
        let fault = Some(Fault::Read { sector: 2048 });
        let disk = Disk {
            number: 1,
            bus: Bus::Scsi,
            size_gib: 1,
            rotates: true,
            fault,
        };
        let nodes = nodes(&disk, Path::new("/x"));
        let names: Vec<_> = nodes.iter().map(|node| &node["node-name"]).collect();
        assert_eq!(names, ["d1-file", "d1-fault", "d1"]);
        assert_eq!(nodes[2]["file"], "d1-fault");
        assert_eq!(nodes[1]["inject-error"][0]["errno"], ENODATA);
        let healthy = Disk {
            fault: None,
            ..disk
        };
        assert_eq!(raw_node(&healthy)["file"], "d1-file");
    }
}
