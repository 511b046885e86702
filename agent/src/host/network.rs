//! Links, addresses and routes as the kernel and the switch state them.

use h8lio_model::inventory::Problem;

/// The kernel's view of the network, and what the switches say.
pub trait NetworkHost: Send + Sync {
    /// Links, addresses and the main routing table. Cheap: a few netlink dumps, and some files of
    /// `/sys` for each physical interface. Meant for every period.
    fn network(&self) -> RawNetwork;

    /// LLDP neighbours. Dear: starts a host tool. Meant for every few minutes and for the moment
    /// after a link changed.
    fn neighbours(&self) -> RawNeighbours;
}

/// Answer of [`NetworkHost::network`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawNetwork {
    pub links: Vec<RawLink>,
    pub addresses: Vec<RawAddress>,
    pub routes: Vec<RawRoute>,
    pub problems: Vec<Problem>,
}

/// One link of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawLink {
    pub index: u32,
    pub name: String,
    /// The kernel's kind word, for example `bond`, `vlan`, `bridge`; `None` for plain devices.
    pub kind: Option<String>,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// `IFF_UP`.
    pub admin_up: bool,
    /// Signal on the line, as the kernel states it; meaningless while not `admin_up`.
    pub carrier: Option<bool>,
    pub mtu: u32,
    /// Colon-separated lower-case hex.
    pub mac: Option<String>,
    pub permanent_mac: Option<String>,
    /// Index of the bond or bridge that it belongs to.
    pub controller: Option<u32>,
    /// Index of the link below (the parent of a VLAN).
    pub parent: Option<u32>,
    pub vlan_id: Option<u16>,
    /// Mode and active LACP aggregator, when it is a bond.
    pub bond: Option<RawBond>,
    /// What the bond says of this leg, when it is one.
    pub bond_port: Option<RawBondPort>,
    /// The device behind it; `None` for links that exist in software only.
    pub device: Option<RawNetDevice>,
}

/// A bond's own data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawBond {
    /// The kernel's word, for example `802.3ad`.
    pub mode: String,
    /// Active aggregator of an 802.3ad bond.
    pub aggregator: Option<u16>,
}

/// A bond's data about one leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RawBondPort {
    /// The bond counts the leg's link as up (MII status `up`); `None`: not said.
    pub mii_up: Option<bool>,
    /// LACP aggregator that the leg joined.
    pub aggregator: Option<u16>,
}

/// What `/sys/class/net/<name>/` says of the device behind a link; texts are trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawNetDevice {
    pub driver: Option<String>,
    pub pci_address: Option<String>,
    /// `-1` where the server has no NUMA.
    pub numa_node: Option<String>,
    /// Mbit/s, `-1` for unknown; unreadable while the link is down.
    pub speed: Option<String>,
    pub duplex: Option<String>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAddress {
    pub link: u32,
    pub address: std::net::IpAddr,
    pub prefix: u8,
}

/// One next hop of one unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRoute {
    /// `None`: the default route.
    pub destination: Option<(std::net::IpAddr, u8)>,
    pub gateway: Option<std::net::IpAddr>,
    pub link: Option<u32>,
    pub metric: Option<u32>,
}

/// Answer of [`NetworkHost::neighbours`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawNeighbours {
    /// What `lldpctl -f json0` printed; `None`: it could not be asked.
    pub lldp: Option<Vec<u8>>,
    pub problems: Vec<Problem>,
}
