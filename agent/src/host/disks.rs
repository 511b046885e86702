//! Drives: what the kernel, the signature database and the drives themselves say.

use std::collections::BTreeMap;
use std::time::Duration;

use h8lio_model::inventory::Problem;

use super::Fingerprint;

/// Reads the server's drives.
pub trait DiskHost {
    /// Cheap. Changes whenever a device appears, goes, is re-read by udev or is (un)mounted, so
    /// that [`DiskHost::drives`] and [`DiskHost::signatures`] are worth reading again.
    fn fingerprint(&self) -> Fingerprint;

    /// Some fifteen small files per device of `/sys`.
    fn drives(&self) -> RawDrives;

    /// Dear: one `lsblk`. Keyed by kernel name.
    ///
    /// # Errors
    /// When nothing can be said about signatures; then they are unknown on every device.
    fn signatures(&self) -> Result<BTreeMap<String, RawSignatures>, Problem>;

    /// Dearest: one `smartctl` of one drive, which the drive itself must answer.
    ///
    /// # Errors
    /// When there was no answer that is JSON.
    fn smart(&self, device: &str) -> Result<RawSmart, Problem>;

    /// Cheap. Medium errors that the kernel logged since the last call; the first call tells all
    /// that its log still holds.
    fn kernel_errors(&self) -> RawKernelErrors;

    /// Dear: opens every drive. Disks that only a RAID controller sees.
    ///
    /// # Errors
    /// When smartctl could not look for them.
    fn members(&self) -> Result<Vec<RawMember>, Problem>;

    /// As [`DiskHost::smart`], of a disk behind a controller.
    ///
    /// # Errors
    /// As for [`DiskHost::smart`].
    fn smart_of(&self, member: &RawMember) -> Result<RawSmart, Problem>;
}

/// Answer of [`DiskHost::kernel_errors`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawKernelErrors {
    pub errors: Vec<RawMediumError>,
    /// Why the log could not be read.
    pub problem: Option<Problem>,
}

/// A sector that the kernel could not read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMediumError {
    /// Kernel name of the drive.
    pub device: String,
    pub sector: u64,
    /// How long ago.
    pub age: Duration,
}

/// A disk behind a RAID controller, in smartctl's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawMember {
    /// For example `/dev/bus/0`.
    pub device: String,
    /// For example `megaraid,8`.
    pub position: String,
}

/// The kernel's block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawDrives {
    /// Whole drives only; no loop, ram, zram, dm, md, optical, network or hidden device.
    pub drives: Vec<RawDrive>,
    /// Every block device that is not a drive or its partition, by kernel name (`dm-0`, `md127`).
    pub virtuals: BTreeMap<String, RawVirtual>,
    pub mounts: Vec<RawMount>,
    /// Kernel names of devices used for swap.
    pub swaps: Vec<String>,
    pub problems: Vec<Problem>,
}

/// One whole drive. Texts are trimmed and may hold anything that a vendor or an attacker put
/// into a drive's firmware.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawDrive {
    /// Kernel name, for example `sda`.
    pub device: String,
    /// `major:minor`.
    pub number: String,
    pub size_bytes: u64,
    pub logical_block_size: Option<u32>,
    pub rotational: Option<bool>,
    pub read_only: bool,
    pub removable: bool,
    /// Kernel's `wwid`, for example `naa.5000c500…`, `eui.…`, `t10.…`.
    pub wwid: Option<String>,
    pub serial: Option<String>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    /// Kernel driver of the SCSI host that it hangs on, for example `megaraid_sas`.
    pub scsi_driver: Option<String>,
    /// Commands that failed since it was attached (`ioerr_cnt`); harmless ones too, such as a
    /// question that the drive does not know.
    pub failed_commands: Option<u64>,
    /// Where the drive hangs, for example `../devices/pci0000:00/…/ata1/…/block/sda`.
    pub sys_path: String,
    pub slot: Option<String>,
    /// Names below `/dev/disk/by-id`, sorted.
    pub by_id: Vec<String>,
    /// Kernel names of the devices built on it.
    pub holders: Vec<String>,
    pub partitions: Vec<RawPartition>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPartition {
    pub device: String,
    pub number: String,
    pub size_bytes: u64,
    pub holders: Vec<String>,
}

/// A device built on others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawVirtual {
    pub number: String,
    /// Device-mapper's name, where it is one.
    pub dm_name: Option<String>,
    pub holders: Vec<String>,
}

/// One mount of a block device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawMount {
    /// `major:minor`; btrfs shows an anonymous number, so `source` counts too.
    pub number: String,
    /// For example `/dev/sda1`.
    pub source: String,
    pub target: String,
}

/// What is recognised on one device, and what udev knows about the drive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawSignatures {
    /// Whether anybody really looked: udev has an entry, or the device could be opened. Without
    /// it an empty answer means nothing.
    pub probed: bool,
    /// Several signatures contradict each other, so that blkid names none of them.
    pub ambiguous: bool,
    pub fs_type: Option<String>,
    pub fs_uuid: Option<String>,
    pub fs_label: Option<String>,
    /// Kind of partition table *on* the device.
    pub table: Option<String>,
    /// GPT type of the partition.
    pub partition_type: Option<String>,
    pub wwn: Option<String>,
    pub serial: Option<String>,
    pub model: Option<String>,
    pub vendor: Option<String>,
    pub firmware: Option<String>,
    pub transport: Option<String>,
}

/// `smartctl`'s answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawSmart {
    /// Exit status: a bitmask.
    pub exit: i32,
    /// The JSON document.
    pub json: serde_json::Value,
}
