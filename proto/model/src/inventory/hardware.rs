use serde::{Deserialize, Serialize};

use super::Problem;

/// The machine itself, from DMI, `/proc` and `/sys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HardwareFacts {
    pub manufacturer: Option<String>,
    pub product: Option<String>,
    /// DMI system serial; placeholders such as `To be filled by O.E.M.` are read as none.
    pub serial: Option<String>,
    /// DMI system UUID, lower case.
    pub system_uuid: Option<String>,
    pub board_serial: Option<String>,
    pub bios_version: Option<String>,
    /// Hypervisor vendor when the server is a virtual machine (labs, tests).
    pub virtualization: Option<String>,
    /// Whether the firmware booted by UEFI.
    pub uefi: Option<bool>,
    /// Whether the kernel sees a BMC (`/dev/ipmi0`).
    pub bmc: Option<bool>,
    pub cpu: Cpu,
    pub memory: Memory,
    pub problems: Vec<Problem>,
}

/// Processors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    pub architecture: String,
    pub model: Option<String>,
    pub sockets: u32,
    /// Physical cores over all sockets.
    pub cores: u32,
    /// Logical processors that are online.
    pub threads: u32,
}

/// Memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// `MemTotal`, bytes.
    pub total_bytes: u64,
    pub numa_nodes: Vec<NumaNode>,
}

/// One NUMA node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NumaNode {
    pub id: u32,
    /// Kernel list format, for example `0-15,32-47`.
    pub cpus: String,
    pub memory_bytes: u64,
}
