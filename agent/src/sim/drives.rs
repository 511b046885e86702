//! Drives, their signatures and health, and the OSDs on them.

use std::collections::BTreeMap;
use std::time::Duration;

use h8lio_model::inventory::Problem;
use serde_json::{Value, json};

use super::scenario::{Disk, DiskType, DiskUse};
use super::server::SimHost;
use super::state::State;
use crate::host::Fingerprint;
use crate::host::disks::{
    DiskHost, RawDrive, RawDrives, RawKernelErrors, RawMediumError, RawMember, RawMount,
    RawPartition, RawSignatures, RawSmart, RawVirtual,
};
use crate::host::osds::{OsdHost, RawLayout, RawOsdDir, RawOsdProcess, RawOsds, RawVolumes};

/// The part of faults that these hang by.
const PART: &str = "disks";

impl DiskHost for SimHost {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.read(PART).changes)
    }

    fn drives(&self) -> RawDrives {
        let state = self.read(PART);
        let disks = &state.server.disk;
        let mut out = RawDrives::default();
        for (index, d) in disks.iter().enumerate() {
            out.drives.push(drive(index, d));
            match d.r#use {
                DiskUse::System => {
                    out.mounts.push(mount(index, 1, d, "/boot/efi"));
                    out.mounts.push(mount(index, 2, d, "/"));
                    out.swaps.push(part(d, 3));
                }
                DiskUse::Osd => {
                    let dm = RawVirtual {
                        number: format!("253:{index}"),
                        dm_name: Some(format!("ceph--{}", d.serial)),
                        holders: Vec::new(),
                    };
                    out.virtuals.insert(format!("dm-{index}"), dm);
                }
                DiskUse::Blank | DiskUse::Data => {}
            }
        }
        out
    }

    fn signatures(&self) -> Result<BTreeMap<String, RawSignatures>, Problem> {
        let state = self.read(PART);
        let mut all = BTreeMap::new();
        for (index, d) in state.server.disk.iter().enumerate() {
            let on = |fs: Option<&str>| RawSignatures {
                probed: true,
                fs_type: fs.map(str::to_owned),
                ..RawSignatures::default()
            };
            let whole = match d.r#use {
                DiskUse::Blank => on(None),
                DiskUse::Data => on(Some("ext4")),
                DiskUse::Osd => {
                    all.insert(format!("dm-{index}"), on(Some("ceph_bluestore")));
                    on(Some("LVM2_member"))
                }
                DiskUse::System => {
                    for (n, fs) in [(1, "vfat"), (2, "ext4"), (3, "swap")] {
                        all.insert(part(d, n), on(Some(fs)));
                    }
                    RawSignatures {
                        table: Some("gpt".into()),
                        ..on(None)
                    }
                }
            };
            all.insert(d.device.clone(), whole);
        }
        Ok(all)
    }

    fn smart(&self, device: &str) -> Result<RawSmart, Problem> {
        let state = self.read(PART);
        let found = state.server.disk.iter().find(|d| d.device == device);
        match found {
            Some(d) => Ok(RawSmart {
                exit: if d.failing { 8 } else { 0 },
                json: smart(d),
            }),
            None => Err(Problem {
                what: format!("smartctl /dev/{device}"),
                reason: "Failed".into(),
                message: format!("/dev/{device} is gone"),
            }),
        }
    }

    fn kernel_errors(&self) -> RawKernelErrors {
        let state = self.read(PART);
        let bad = state.server.disk.iter().flat_map(|d| {
            let sectors = (0..d.unreadable_sectors).map(|n| FIRST_SECTOR + n);
            sectors.map(|sector| RawMediumError {
                device: d.device.clone(),
                sector,
                age: Duration::ZERO,
            })
        });
        RawKernelErrors {
            errors: bad.collect(),
            problem: None,
        }
    }

    fn members(&self) -> Result<Vec<RawMember>, Problem> {
        // No simulated drive hangs on a RAID controller.
        Ok(Vec::new())
    }

    fn smart_of(&self, member: &RawMember) -> Result<RawSmart, Problem> {
        DiskHost::smart(self, &member.device)
    }
}

/// Where a simulated drive begins to be unreadable.
const FIRST_SECTOR: u64 = 4096;

fn drive(index: usize, d: &Disk) -> RawDrive {
    let bytes = d.size_gb * 1_000_000_000;
    let bus = match d.r#type {
        DiskType::Nvme => "nvme",
        DiskType::Hdd | DiskType::Ssd => "ata1",
    };
    let partitions = match d.r#use {
        DiskUse::System => [(1, 512 << 20), (2, bytes / 2), (3, 8 << 30)]
            .map(|(n, size_bytes)| RawPartition {
                device: part(d, n),
                number: number(index, n),
                size_bytes,
                holders: Vec::new(),
            })
            .into(),
        _ => Vec::new(),
    };
    RawDrive {
        device: d.device.clone(),
        number: number(index, 0),
        size_bytes: bytes,
        logical_block_size: Some(512),
        rotational: Some(d.r#type == DiskType::Hdd),
        wwid: (!d.wwn.is_empty()).then(|| match d.r#type {
            DiskType::Nvme => format!("eui.{}", d.wwn),
            DiskType::Hdd | DiskType::Ssd => format!("naa.{}", d.wwn),
        }),
        serial: Some(d.serial.clone()),
        vendor: Some("SIM".into()),
        model: Some(d.model.clone()).filter(|m| !m.is_empty()),
        firmware: Some("S100".into()),
        sys_path: format!(
            "../devices/pci0000:00/0000:00:17.0/{bus}/block/{}",
            d.device
        ),
        slot: d.slot.clone(),
        by_id: vec![format!("{bus}-{}", d.serial)],
        holders: match d.r#use {
            DiskUse::Osd => vec![format!("dm-{index}")],
            _ => Vec::new(),
        },
        partitions,
        ..RawDrive::default()
    }
}

fn number(index: usize, part: usize) -> String {
    format!("8:{}", index * 16 + part)
}

fn part(d: &Disk, n: usize) -> String {
    let p = if d.r#type == DiskType::Nvme { "p" } else { "" };
    format!("{}{p}{n}", d.device)
}

fn mount(index: usize, n: usize, d: &Disk, target: &str) -> RawMount {
    RawMount {
        number: number(index, n),
        source: format!("/dev/{}", part(d, n)),
        target: target.to_owned(),
    }
}

/// What `smartctl --json` says of it.
fn smart(d: &Disk) -> Value {
    let mut json = json!({
        "serial_number": d.serial,
        "model_name": d.model,
        "smart_support": { "available": true, "enabled": true },
        "smart_status": { "passed": !d.failing },
        "temperature": { "current": if d.failing { 58 } else { 34 } },
    });
    if d.r#type == DiskType::Nvme {
        json["nvme_smart_health_information_log"] = json!({
            "critical_warning": if d.failing { 4 } else { 0 },
            "percentage_used": if d.failing { 101 } else { 7 },
            "media_errors": if d.failing { 219 } else { 0 },
        });
    } else {
        let attribute = |id: u32, name: &str, raw: u64| {
            json!({
                "id": id, "name": name, "value": if d.failing { 5 } else { 100 }, "thresh": 10,
                "when_failed": if d.failing { "now" } else { "" },
                "flags": { "prefailure": id == 5 }, "raw": { "value": raw },
            })
        };
        let bad = |n| if d.failing { n } else { 0 };
        json["ata_smart_attributes"] = json!({ "table": [
            attribute(5, "Reallocated_Sector_Ct", bad(1984)),
            attribute(197, "Current_Pending_Sector", bad(48)),
            attribute(198, "Offline_Uncorrectable", bad(48)),
        ]});
    }
    json
}

impl OsdHost for SimHost {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.read(PART).changes)
    }

    fn osds(&self) -> RawOsds {
        let state = self.read(PART);
        let Some(ceph) = &state.server.ceph else {
            return RawOsds {
                running: Some(Vec::new()),
                ..RawOsds::default()
            };
        };
        let dirs = osd_disks(&state).map(|(index, id, _)| RawOsdDir {
            layout: RawLayout::Packages,
            path: format!("/var/lib/ceph/osd/ceph-{id}"),
            id: Some(id),
            fsid: Some(osd_fsid(&ceph.fsid, id)),
            cluster_fsid: Some(ceph.fsid.clone()),
            devices: vec![format!("dm-{index}")],
        });
        let running = osd_disks(&state).filter(|(_, id, _)| !ceph.down.contains(id));
        RawOsds {
            dirs: dirs.collect(),
            running: Some(
                running
                    .map(|(_, id, _)| RawOsdProcess {
                        pid: 2000 + id,
                        id,
                        cluster_fsid: Some(ceph.fsid.clone()),
                    })
                    .collect(),
            ),
            problems: Vec::new(),
        }
    }

    fn volumes(&self) -> Result<Option<RawVolumes>, Problem> {
        let state = self.read(PART);
        let Some(ceph) = &state.server.ceph else {
            return Ok(None);
        };
        let mut all = serde_json::Map::new();
        for (_, id, d) in osd_disks(&state) {
            let class = match d.r#type {
                DiskType::Hdd => "hdd",
                DiskType::Ssd => "ssd",
                DiskType::Nvme => "nvme",
            };
            let volume = json!([{
                "type": "block",
                "devices": [format!("/dev/{}", d.device)],
                "tags": {
                    "ceph.osd_id": id.to_string(),
                    "ceph.osd_fsid": osd_fsid(&ceph.fsid, id),
                    "ceph.cluster_fsid": ceph.fsid,
                    "ceph.crush_device_class": class,
                    "ceph.encrypted": "1",
                    "ceph.type": "block",
                },
            }]);
            all.insert(id.to_string(), volume);
        }
        Ok(Some(RawVolumes::CephVolume(Value::Object(all))))
    }
}

fn osd_disks(state: &State) -> impl Iterator<Item = (usize, u32, &Disk)> {
    let all = state.server.disk.iter().enumerate();
    all.filter(|(_, d)| d.r#use == DiskUse::Osd)
        .filter_map(|(index, d)| Some((index, d.osd?, d)))
}

/// The same for the same OSD of the same cluster.
fn osd_fsid(cluster: &str, id: u32) -> String {
    let digest = h8lio_model::section::Digest::of(format!("{cluster}/{id}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}
