//! From netlink messages to raw facts. Unknown attributes are passed over.

use std::net::IpAddr;

use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    BondAdInfo, InfoBond, InfoBondPort, InfoData, InfoPortData, InfoVlan, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage, MiiStatus,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteType, RouteVia,
};

use crate::host::network::{RawAddress, RawBond, RawBondPort, RawLink, RawRoute};

pub(super) fn link(message: &LinkMessage) -> RawLink {
    let flags = message.header.flags;
    let mut link = RawLink {
        index: message.header.index,
        loopback: flags.contains(LinkFlags::Loopback),
        admin_up: flags.contains(LinkFlags::Up),
        ..RawLink::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(bytes) => link.mac = mac(bytes),
            LinkAttribute::PermAddress(bytes) => link.permanent_mac = mac(bytes),
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            LinkAttribute::Link(index) => link.parent = Some(*index),
            LinkAttribute::Carrier(up) => link.carrier = Some(*up != 0),
            LinkAttribute::LinkInfo(infos) => infos.iter().for_each(|i| kind(i, &mut link)),
            _ => {}
        }
    }
    link
}

fn kind(info: &LinkInfo, link: &mut RawLink) {
    match info {
        LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
        LinkInfo::Data(InfoData::Vlan(data)) => {
            link.vlan_id = data.iter().find_map(|d| match d {
                InfoVlan::Id(id) => Some(*id),
                _ => None,
            });
        }
        LinkInfo::Data(InfoData::Bond(data)) => link.bond = Some(bond(data)),
        LinkInfo::PortData(InfoPortData::BondPort(data)) => {
            link.bond_port = Some(bond_port(data));
        }
        _ => {}
    }
}

fn bond(data: &[InfoBond]) -> RawBond {
    let mut bond = RawBond::default();
    for fact in data {
        match fact {
            InfoBond::Mode(mode) => bond.mode = mode.to_string(),
            InfoBond::AdInfo(infos) => {
                bond.aggregator = infos.iter().find_map(|i| match i {
                    BondAdInfo::Aggregator(id) => Some(*id),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    bond
}

fn bond_port(data: &[InfoBondPort]) -> RawBondPort {
    let mut port = RawBondPort::default();
    for fact in data {
        match fact {
            InfoBondPort::MiiStatus(status) => port.mii_up = Some(*status == MiiStatus::Up),
            InfoBondPort::AdAggregatorId(id) => port.aggregator = Some(*id),
            _ => {}
        }
    }
    port
}

/// Colon-separated hex; `None` for links without a hardware address (tunnels carry IP
/// addresses there, which are no MAC).
fn mac(bytes: &[u8]) -> Option<String> {
    let lengths = [6, 8, 20];
    lengths.contains(&bytes.len()).then(|| {
        let pairs: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        pairs.join(":")
    })
}

pub(super) fn address(message: &AddressMessage) -> Option<RawAddress> {
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            // On point-to-point links `Address` is the other end, and `Local` ours.
            AddressAttribute::Local(local) => address = Some(*local),
            AddressAttribute::Address(other) => address = address.or(Some(*other)),
            _ => {}
        }
    }
    Some(RawAddress {
        link: message.header.index,
        address: address?,
        prefix: message.header.prefix_len,
    })
}

/// One entry for each next hop of a unicast route of the main table; nothing for other routes.
pub(super) fn route(message: &RouteMessage) -> Vec<RawRoute> {
    if message.header.kind != RouteType::Unicast || table(message) != MAIN {
        return Vec::new();
    }
    let mut route = RawRoute {
        destination: None,
        gateway: None,
        link: None,
        metric: None,
    };
    let mut hops: &[RouteNextHop] = &[];
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(to) => {
                route.destination = ip(to).map(|a| (a, message.header.destination_prefix_length));
            }
            RouteAttribute::Priority(metric) => route.metric = Some(*metric),
            RouteAttribute::Oif(index) => route.link = Some(*index),
            RouteAttribute::MultiPath(all) => hops = all,
            other => route.gateway = gateway(other).or(route.gateway),
        }
    }
    if hops.is_empty() {
        return vec![route];
    }
    hops.iter()
        .map(|hop| RawRoute {
            link: Some(hop.interface_index),
            gateway: hop.attributes.iter().find_map(gateway),
            ..route.clone()
        })
        .collect()
}

const MAIN: u32 = RouteHeader::RT_TABLE_MAIN as u32;

fn table(message: &RouteMessage) -> u32 {
    message
        .attributes
        .iter()
        .find_map(|a| match a {
            RouteAttribute::Table(id) => Some(*id),
            _ => None,
        })
        .unwrap_or_else(|| message.header.table.into())
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(to) => ip(to),
        RouteAttribute::Via(RouteVia::Inet(a)) => Some((*a).into()),
        RouteAttribute::Via(RouteVia::Inet6(a)) => Some((*a).into()),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some((*a).into()),
        RouteAddress::Inet6(a) => Some((*a).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::{BondMode, InfoKind, InfoPortKind};

    use super::*;

    #[test]
    fn a_leg_of_an_lacp_bond_carries_its_aggregator() {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName("ens1f0".into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
            LinkAttribute::PermAddress(vec![2, 0, 0, 0, 0, 0xff]),
            LinkAttribute::Controller(9),
            LinkAttribute::Carrier(1),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::PortKind(InfoPortKind::Bond),
                LinkInfo::PortData(InfoPortData::BondPort(vec![
                    InfoBondPort::MiiStatus(MiiStatus::GoingBack),
                    InfoBondPort::AdAggregatorId(3),
                ])),
            ]),
        ];
        let got = link(&message);
        assert_eq!(got.permanent_mac.as_deref(), Some("02:00:00:00:00:ff"));
        assert_eq!((got.controller, got.carrier), (Some(9), Some(true)));
        let port = got.bond_port.expect("is a leg");
        assert_eq!((port.mii_up, port.aggregator), (Some(false), Some(3)));
    }

    #[test]
    fn a_bond_tells_its_mode_in_the_kernels_word() {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bond),
            LinkInfo::Data(InfoData::Bond(vec![
                InfoBond::Mode(BondMode::Ieee8023Ad),
                InfoBond::AdInfo(vec![BondAdInfo::Aggregator(2)]),
            ])),
        ])];
        let got = link(&message);
        assert_eq!(got.kind.as_deref(), Some("bond"));
        let bond = got.bond.expect("is a bond");
        assert_eq!((bond.mode.as_str(), bond.aggregator), ("802.3ad", Some(2)));
    }

    #[test]
    fn each_next_hop_of_a_multipath_route_is_a_route_and_other_tables_are_none() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        let hop = |last| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = u32::from(last);
            hop.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(
                [10, 0, 0, last].into(),
            ))];
            hop
        };
        message.attributes = vec![RouteAttribute::MultiPath(vec![hop(1), hop(2)])];
        let got = route(&message);
        let links: Vec<_> = got.iter().map(|r| r.link).collect();
        assert_eq!(links, [Some(1), Some(2)]);
        assert_eq!(got[1].gateway, Some(IpAddr::from([10, 0, 0, 2])));
        message.attributes.push(RouteAttribute::Table(1000));
        assert!(route(&message).is_empty());
    }

    #[test]
    fn a_tunnels_ip_address_is_no_mac() {
        assert_eq!(mac(&[10, 0, 0, 1]), None);
        assert_eq!(mac(&[]), None);
    }
}
