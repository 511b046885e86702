//! The machine: DMI, processors, memory.

use h8lio_model::inventory::{Cpu, Memory, Problem};

/// Reads the machine. Cheap, and nothing in it changes while the server runs: once per start is
/// enough.
pub trait HardwareHost {
    fn hardware(&self) -> RawHardware;
}

/// What firmware and kernel say, unjudged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawHardware {
    pub dmi: RawDmi,
    pub cpu: Cpu,
    /// The processor reports that a hypervisor is below it; `None`: not said.
    pub hypervisor_flag: Option<bool>,
    /// `/sys/hypervisor/type`, for example `xen`.
    pub hypervisor_type: Option<String>,
    pub memory: Memory,
    pub uefi: Option<bool>,
    pub bmc: Option<bool>,
    pub problems: Vec<Problem>,
}

/// DMI strings as the vendor wrote them: trimmed, undecodable bytes replaced, placeholders kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawDmi {
    pub sys_vendor: Option<String>,
    pub product_name: Option<String>,
    pub product_serial: Option<String>,
    pub product_uuid: Option<String>,
    pub board_serial: Option<String>,
    pub bios_version: Option<String>,
}
