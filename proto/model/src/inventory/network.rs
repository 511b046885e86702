use serde::{Deserialize, Serialize};

use super::Problem;

/// Links, addresses and routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkFacts {
    pub interfaces: Vec<Interface>,
    pub routes: Vec<Route>,
    pub problems: Vec<Problem>,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    pub name: String,
    pub index: u32,
    pub kind: InterfaceKind,
    pub driver: Option<String>,
    pub mac: Option<String>,
    /// The address burnt into the card, where it differs or can be read.
    pub permanent_mac: Option<String>,
    pub mtu: u32,
    /// Set up by an administrator (`IFF_UP`).
    pub admin_up: bool,
    pub carrier: Carrier,
    /// Mbit/s; `None`: no carrier, or the driver does not say.
    pub speed_mbps: Option<u32>,
    pub duplex: Duplex,
    /// Bond or bridge that it belongs to.
    pub controller: Option<String>,
    pub pci_address: Option<String>,
    pub numa_node: Option<u32>,
    /// `address/prefix`, sorted; link-local included.
    pub addresses: Vec<String>,
    pub bond: Option<BondFacts>,
    pub vlan: Option<VlanFacts>,
    pub bridge: Option<BridgeFacts>,
    pub lldp: Vec<LldpNeighbour>,
}

/// What the interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InterfaceKind {
    Physical,
    Loopback,
    Bond,
    Vlan,
    Bridge,
    Veth,
    Tunnel,
    Other,
}

/// Whether a signal is on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Carrier {
    Up,
    Down,
    /// Administratively down: the line is not looked at.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Duplex {
    Full,
    Half,
    Unknown,
}

/// A bond and its legs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BondFacts {
    /// For example `802.3ad` or `active-backup`.
    pub mode: String,
    pub members: Vec<String>,
    /// Members whose link the bond counts as up.
    pub members_up: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VlanFacts {
    pub id: u16,
    pub parent: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BridgeFacts {
    pub members: Vec<String>,
}

/// What the switch says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LldpNeighbour {
    pub chassis_id: Option<String>,
    pub system_name: Option<String>,
    pub port_id: Option<String>,
    pub port_description: Option<String>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// `default` or `address/prefix`.
    pub destination: String,
    pub gateway: Option<String>,
    pub interface: Option<String>,
    pub metric: Option<u32>,
}
