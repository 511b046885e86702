//! What is on a server, section by section. `None` and [`Health::Unknown`] mean "not known";
//! they are never read as "no" or "fine". What could not be read stands in `problems`.

mod disks;
mod hardware;
mod managers;
mod network;
mod os;
mod osds;
mod packages;
mod runtime;
mod vitals;

use serde::{Deserialize, Serialize};

use crate::order::OrderReport;

pub use disks::{
    Disk, DiskFacts, DiskKey, Health, Partition, RaidRole, Signature, SmartSummary, Transport,
    UnusableReason,
};
pub use hardware::{Cpu, HardwareFacts, Memory, NumaNode};
pub use managers::{Domain, DomainMode, ForeignManager, ManagerFacts};
pub use network::{
    BondFacts, BridgeFacts, Carrier, Duplex, Interface, InterfaceKind, LldpNeighbour, NetworkFacts,
    Route, VlanFacts,
};
pub use os::{ClockSource, ClockSync, DAEMONS, OsFacts, WayBack};
pub use osds::{Osd, OsdFacts, OsdManager};
pub use packages::{
    BrokenPackage, KernelFacts, NewPackage, PackageFacts, RebootReason, RebootRequired,
    UpgradablePackage,
};
pub use runtime::{CriCondition, CriEndpoint, Kubelet, RuntimeFacts};
pub use vitals::{FilesystemUsage, InterfaceCounters, Pressure, Vitals};

/// Something that could not be read, and why. Never silently left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What was being read, for example `smartctl /dev/sda` or `lldpctl`.
    pub what: String,
    /// CamelCase word: `ToolMissing`, `NotPermitted`, `TimedOut`, `NotUnderstood`, `Failed`.
    pub reason: String,
    /// The cause and the next move, one sentence.
    pub message: String,
}

/// All sections of one server as last reported; a section never reported is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inventory {
    pub os: Option<OsFacts>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    pub hardware: Option<HardwareFacts>,
    pub disks: Option<Vec<Disk>>,
    pub interfaces: Option<Vec<Interface>>,
    pub routes: Option<Vec<Route>>,
    pub packages: Option<PackageFacts>,
    pub runtime: Option<RuntimeFacts>,
    pub osds: Option<Vec<Osd>>,
    pub managers: Option<ManagerFacts>,
    pub vitals: Option<Vitals>,
    /// What the agent's ledger says.
    pub orders: Option<OrderReport>,
    /// What could not be read, over all sections.
    pub problems: Vec<Problem>,
    /// When each section was last confirmed by the agent, by section name.
    pub observed_at: std::collections::BTreeMap<String, jiff::Timestamp>,
}
