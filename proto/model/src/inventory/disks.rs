use serde::{Deserialize, Serialize};

use super::Problem;

/// The server's drives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DiskFacts {
    pub disks: Vec<Disk>,
    pub problems: Vec<Problem>,
}

/// What a drive is known by, whatever device name the kernel gave it today.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "value")]
pub enum DiskKey {
    /// World Wide Name, `0x…` or `eui.…`/`nvme.…`, lower case.
    Wwn(String),
    /// Serial number, where there is no WWN.
    Serial(String),
    /// Neither: the kernel name, which may change at the next boot. Never a target of an act.
    Unstable(String),
}

impl DiskKey {
    /// The text of the key.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Wwn(s) | Self::Serial(s) | Self::Unstable(s) => s,
        }
    }
}

/// One drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    pub key: DiskKey,
    /// Kernel name without `/dev/`, for example `sda` or `nvme0n1`.
    pub device: String,
    pub wwn: Option<String>,
    pub serial: Option<String>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub transport: Transport,
    pub size_bytes: u64,
    pub logical_block_size: u32,
    /// `None`: the kernel does not say.
    pub rotational: Option<bool>,
    pub read_only: bool,
    pub removable: bool,
    /// Names below `/dev/disk/by-id`, sorted.
    pub by_id: Vec<String>,
    /// Enclosure slot or PCI slot where known.
    pub slot: Option<String>,
    pub partitions: Vec<Partition>,
    /// Kernel devices built on the whole disk (device-mapper, md), by name.
    pub holders: Vec<String>,
    /// Mount points of the disk or of anything on it.
    pub mounts: Vec<String>,
    /// Signatures on the whole disk (a partition's stand with the partition).
    pub signatures: Vec<Signature>,
    pub health: Health,
    /// Different sectors that the kernel could not read or write within the last day; `None`: its
    /// log cannot be read.
    pub unreadable_sectors: Option<u32>,
    pub smart: Option<SmartSummary>,
    /// What a RAID controller has to do with it; `None`: nothing.
    pub raid: Option<RaidRole>,
    /// Why the disk cannot be given to a new OSD, every reason; empty: it could.
    pub unusable: Vec<UnusableReason>,
}

/// A disk's part in a RAID controller's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "role")]
pub enum RaidRole {
    /// No disk but a volume that the controller makes of its disks.
    Volume {
        /// The controller's kernel driver, for example `megaraid_sas`.
        driver: String,
    },
    /// A disk that only the controller sees: the kernel has no device for it.
    Member {
        /// smartctl's name of the controller, for example `/dev/bus/0`.
        controller: String,
        /// Where it is there, in smartctl's words, for example `megaraid,8`.
        position: String,
    },
}

/// How the drive is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    Sata,
    Sas,
    Scsi,
    Nvme,
    Virtio,
    Usb,
    Mmc,
    Other,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    pub device: String,
    pub size_bytes: u64,
    pub holders: Vec<String>,
    pub signatures: Vec<Signature>,
}

/// Something recognised on a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// blkid's word: `ext4`, `LVM2_member`, `ceph_bluestore`, `linux_raid_member`, `gpt`, …
    pub kind: String,
    /// UUID or label, where it has one.
    pub id: Option<String>,
}

/// A drive's verdict on itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "verdict"
)]
pub enum Health {
    Healthy,
    /// The drive or the kernel says that it fails, with each piece of evidence.
    Failing {
        evidence: Vec<String>,
    },
    /// Nobody could be asked: a missing value is unknown, not unhealthy.
    Unknown {
        reason: String,
    },
}

/// The slow-moving SMART/NVMe values. Temperatures and hours are vitals, not facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SmartSummary {
    /// The drive's own overall verdict.
    pub passed: Option<bool>,
    pub reallocated_sectors: Option<u64>,
    pub pending_sectors: Option<u64>,
    pub offline_uncorrectable: Option<u64>,
    /// NVMe: media and data integrity errors.
    pub media_errors: Option<u64>,
    /// NVMe `critical_warning` bits.
    pub critical_warning: Option<u8>,
    /// Wear, percent of rated life used (may exceed 100).
    pub percentage_used: Option<u32>,
}

/// Why a disk is not free for a new OSD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "reason"
)]
pub enum UnusableReason {
    /// The root file system (or /boot, or swap) lives on it.
    SystemDisk {
        mount: String,
    },
    Mounted {
        mount: String,
    },
    /// Only its RAID controller can reach it.
    BehindController {
        controller: String,
    },
    /// Device-mapper, md or another holder uses it.
    Held {
        by: String,
    },
    /// It carries a signature; whose data that is must be decided first.
    Signature {
        kind: String,
        device: String,
    },
    /// It has a partition table with partitions.
    Partitioned {
        count: u32,
    },
    /// A Ceph OSD lives here.
    CephOsd {
        osd_id: Option<u32>,
        cluster_fsid: Option<String>,
    },
    /// No WWN and no serial: it cannot be told from another.
    NoStableIdentity,
    ReadOnly,
    Removable,
    /// Smaller than 5 GiB, ceph-volume's own limit.
    TooSmall {
        size_bytes: u64,
    },
    Failing,
    /// The signatures could not be read.
    SignaturesUnknown {
        why: String,
    },
}
