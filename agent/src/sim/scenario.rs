//! The scenario file. Every key but `hostname` has a default.

use serde::{Deserialize, Serialize};

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub hostname: String,
    #[serde(default)]
    pub hardware: Hardware,
    #[serde(default)]
    pub os: Os,
    #[serde(default)]
    pub disk: Vec<Disk>,
    #[serde(default)]
    pub nic: Vec<Nic>,
    #[serde(default)]
    pub bond: Vec<Bond>,
    #[serde(default)]
    pub ceph: Option<Ceph>,
    #[serde(default)]
    pub packages: Packages,
    #[serde(default)]
    pub runtime: Option<Runtime>,
    #[serde(default)]
    pub traces: Traces,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hardware {
    pub manufacturer: String,
    pub product: String,
    /// Empty: made from the host name.
    pub serial: String,
    pub sockets: u32,
    /// Over all sockets.
    pub cores: u32,
    pub threads: u32,
    pub memory_gib: u64,
    pub bmc: bool,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            manufacturer: "Simulated".into(),
            product: "S1".into(),
            serial: String::new(),
            sockets: 2,
            cores: 32,
            threads: 64,
            memory_gib: 256,
            bmc: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Os {
    pub id: String,
    pub version: String,
    pub name: String,
    /// The running kernel.
    pub kernel: String,
    /// Daemon that keeps the clock; empty: none.
    pub clock: String,
    /// How full `/var` is, percent.
    pub var_used_percent: u64,
    /// What `/boot` lies on.
    pub boot_on: BootOn,
    /// An EFI system partition is mounted, so that the firmware can start GRUB from elsewhere once.
    pub esp: bool,
    /// kexec-tools is installed.
    pub kexec: bool,
}

/// What `/boot` lies on. Only on a partition can GRUB write its environment, and so boot another
/// kernel once by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum BootOn {
    #[default]
    Partition,
    Raid,
    Lvm,
}

impl Default for Os {
    fn default() -> Self {
        Self {
            id: "debian".into(),
            version: "12".into(),
            name: "Debian GNU/Linux 12 (bookworm)".into(),
            kernel: "6.1.0-40-amd64".into(),
            clock: "chronyd".into(),
            var_used_percent: 40,
            boot_on: BootOn::Partition,
            esp: false,
            kexec: false,
        }
    }
}

/// What kind of drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum DiskType {
    #[default]
    Hdd,
    Ssd,
    Nvme,
}

/// What it is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum DiskUse {
    #[default]
    Blank,
    /// Carries `/`, `/boot/efi` and swap.
    System,
    /// Carries the OSD named in `osd`.
    Osd,
    /// Carries somebody's ext4.
    Data,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Kernel name, for example `sda` or `nvme0n1`.
    pub device: String,
    #[serde(default)]
    pub model: String,
    pub serial: String,
    /// 16 hexadecimal digits; empty: the drive has none.
    #[serde(default)]
    pub wwn: String,
    #[serde(default = "four_terabytes")]
    pub size_gb: u64,
    #[serde(default)]
    pub r#type: DiskType,
    #[serde(default)]
    pub slot: Option<String>,
    #[serde(default)]
    pub r#use: DiskUse,
    #[serde(default)]
    pub osd: Option<u32>,
    /// The drive says that it fails.
    #[serde(default)]
    pub failing: bool,
    /// So many of its sectors cannot be read, says the kernel.
    #[serde(default)]
    pub unreadable_sectors: u64,
}

const fn four_terabytes() -> u64 {
    4000
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    pub name: String,
    pub mac: String,
    #[serde(default = "ten_gigabit")]
    pub speed_mbps: u32,
    #[serde(default = "yes")]
    pub cable: bool,
    #[serde(default)]
    pub bond: Option<String>,
    /// `address/prefix` each.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The switch at the other end, and its port.
    #[serde(default)]
    pub switch: Option<String>,
    #[serde(default)]
    pub port: Option<String>,
}

const fn ten_gigabit() -> u32 {
    10_000
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bond {
    pub name: String,
    #[serde(default = "lacp")]
    pub mode: String,
    /// `address/prefix` each.
    #[serde(default)]
    pub addresses: Vec<String>,
}

fn lacp() -> String {
    "802.3ad".into()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceph {
    pub fsid: String,
    /// OSDs that do not run.
    #[serde(default)]
    pub down: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Packages {
    /// How many are installed, besides those named below.
    pub installed: u32,
    pub upgrade: Vec<Upgrade>,
    pub held: Vec<String>,
    /// Half-configured.
    pub broken: Vec<String>,
    /// The newest installed kernel; empty: the running one.
    pub newest_kernel: String,
    /// Units that still use files which an update replaced.
    pub restart: Vec<String>,
}

impl Default for Packages {
    fn default() -> Self {
        Self {
            installed: 480,
            upgrade: Vec::new(),
            held: Vec::new(),
            broken: Vec::new(),
            newest_kernel: String::new(),
            restart: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    pub name: String,
    pub installed: String,
    pub candidate: String,
    #[serde(default)]
    pub security: bool,
    /// Release of the kernel whose image comes anew with it, at the same version.
    #[serde(default)]
    pub brings: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// containerd's version.
    pub containerd: String,
    /// The kubelet's version, for example `v1.31.4`.
    pub kubelet: String,
    /// API server that the kubelet talks to.
    pub api_server: String,
    #[serde(default = "yes")]
    pub containerd_up: bool,
    #[serde(default = "yes")]
    pub kubelet_up: bool,
}

/// Traces of other managers, as found on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    pub files: Vec<String>,
    /// Active and enabled.
    pub units: Vec<String>,
    pub processes: Vec<String>,
    pub packages: Vec<String>,
}
