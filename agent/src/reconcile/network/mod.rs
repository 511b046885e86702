//! From links, addresses and routes to network facts and their conditions.

mod conditions;
mod lldp;

use h8lio_model::inventory::{
    BondFacts, BridgeFacts, Carrier, Duplex, Interface, InterfaceKind, LldpNeighbour, NetworkFacts,
    Problem, Route, VlanFacts,
};

pub use conditions::conditions;

use crate::host::network::{RawLink, RawNeighbours, RawNetwork, RawRoute};
use crate::words::plain;

/// Network facts from the kernel's view and, where it was asked, the switches' view. Interfaces
/// are sorted by index, addresses and routes by text.
pub fn facts(raw: &RawNetwork, neighbours: Option<&RawNeighbours>) -> NetworkFacts {
    let mut problems = raw.problems.clone();
    let mut heard = Vec::new();
    if let Some(n) = neighbours {
        problems.extend(n.problems.iter().cloned());
        match n.lldp.as_deref().map(lldp::neighbours) {
            Some(Ok(all)) => heard = all,
            Some(Err(problem)) => problems.push(problem),
            None => {}
        }
    }
    let mut interfaces: Vec<_> = raw
        .links
        .iter()
        .map(|link| interface(link, raw, &heard, &mut problems))
        .collect();
    interfaces.sort_by_key(|i| i.index);
    let mut routes: Vec<_> = raw.routes.iter().map(|r| route(r, raw)).collect();
    routes.sort();
    routes.dedup();
    NetworkFacts {
        interfaces,
        routes,
        problems,
    }
}

fn interface(
    link: &RawLink,
    raw: &RawNetwork,
    heard: &[(String, LldpNeighbour)],
    problems: &mut Vec<Problem>,
) -> Interface {
    let carrier = match (link.admin_up, link.carrier) {
        (true, Some(true)) => Carrier::Up,
        (true, Some(false)) => Carrier::Down,
        (false, _) | (true, None) => Carrier::Unknown,
    };
    let device = link.device.as_ref();
    let mut addresses: Vec<_> = raw
        .addresses
        .iter()
        .filter(|a| a.link == link.index)
        .map(|a| format!("{}/{}", a.address, a.prefix))
        .collect();
    addresses.sort();
    let kind = kind(link);
    Interface {
        name: link.name.clone(),
        index: link.index,
        kind,
        driver: device.and_then(|d| d.driver.clone()),
        mac: link.mac.clone(),
        permanent_mac: link.permanent_mac.clone(),
        mtu: link.mtu,
        admin_up: link.admin_up,
        carrier,
        speed_mbps: match carrier {
            Carrier::Up => speed(link, problems),
            _ => None,
        },
        duplex: match device.and_then(|d| d.duplex.as_deref()) {
            Some("full") => Duplex::Full,
            Some("half") => Duplex::Half,
            _ => Duplex::Unknown,
        },
        controller: link.controller.and_then(|i| name(raw, i)),
        pci_address: device.and_then(|d| d.pci_address.clone()),
        numa_node: device
            .and_then(|d| d.numa_node.as_deref())
            .and_then(|n| n.parse().ok()),
        addresses,
        bond: (kind == InterfaceKind::Bond).then(|| bond(link, raw)),
        vlan: (kind == InterfaceKind::Vlan).then(|| VlanFacts {
            id: link.vlan_id.unwrap_or_default(),
            parent: link.parent.and_then(|i| name(raw, i)).unwrap_or_default(),
        }),
        bridge: (kind == InterfaceKind::Bridge).then(|| BridgeFacts {
            members: members(link, raw).map(|l| l.name.clone()).collect(),
        }),
        lldp: heard
            .iter()
            .filter(|(name, _)| *name == link.name)
            .map(|(_, n)| n.clone())
            .collect(),
    }
}

fn kind(link: &RawLink) -> InterfaceKind {
    match link.kind.as_deref() {
        _ if link.loopback => InterfaceKind::Loopback,
        None if link.device.is_some() => InterfaceKind::Physical,
        Some("bond") => InterfaceKind::Bond,
        Some("vlan") => InterfaceKind::Vlan,
        Some("bridge") => InterfaceKind::Bridge,
        Some("veth") => InterfaceKind::Veth,
        Some(
            "vxlan" | "geneve" | "gre" | "gretap" | "ip6gre" | "ip6gretap" | "erspan" | "ip6erspan"
            | "ipip" | "ip6tnl" | "sit" | "vti" | "vti6" | "xfrm" | "wireguard" | "tun" | "gtp"
            | "bareudp",
        ) => InterfaceKind::Tunnel,
        _ => InterfaceKind::Other,
    }
}

/// Mbit/s; drivers that do not know say `-1`, some as an unsigned number, some say 0.
fn speed(link: &RawLink, problems: &mut Vec<Problem>) -> Option<u32> {
    let text = link.device.as_ref()?.speed.as_deref()?;
    match text.parse::<i64>() {
        Ok(n) if n <= 0 || n == i64::from(u32::MAX) => None,
        Ok(n) => u32::try_from(n).ok(),
        Err(_) => {
            problems.push(Problem {
                what: format!("speed of {}", plain(&link.name)),
                reason: "NotUnderstood".to_owned(),
                message: format!("the driver says `{}`, which is no number", plain(text)),
            });
            None
        }
    }
}

fn name(raw: &RawNetwork, index: u32) -> Option<String> {
    let link = raw.links.iter().find(|l| l.index == index)?;
    Some(link.name.clone())
}

fn members<'a>(of: &'a RawLink, raw: &'a RawNetwork) -> impl Iterator<Item = &'a RawLink> {
    raw.links
        .iter()
        .filter(move |l| l.controller == Some(of.index))
}

fn bond(link: &RawLink, raw: &RawNetwork) -> BondFacts {
    let own = link.bond.clone().unwrap_or_default();
    BondFacts {
        members: members(link, raw).map(|l| l.name.clone()).collect(),
        members_up: members(link, raw)
            .filter(|leg| carries(leg, own.aggregator))
            .map(|l| l.name.clone())
            .collect(),
        mode: own.mode,
    }
}

/// Whether a leg works for its bond. The bond's own word is not enough: without `miimon` it
/// counts a leg without carrier as up, and a leg whose switch port is not in the same LACP group
/// joins an aggregator that carries nothing.
fn carries(leg: &RawLink, active: Option<u16>) -> bool {
    let port = leg.bond_port.unwrap_or_default();
    let counted = port.mii_up.unwrap_or(leg.carrier == Some(true));
    let aggregated = match (active, port.aggregator) {
        (Some(active), Some(own)) => active == own,
        _ => true,
    };
    leg.admin_up && leg.carrier != Some(false) && counted && aggregated
}

fn route(raw: &RawRoute, network: &RawNetwork) -> Route {
    Route {
        destination: raw
            .destination
            .map_or_else(|| "default".to_owned(), |(to, len)| format!("{to}/{len}")),
        gateway: raw.gateway.map(|g| g.to_string()),
        interface: raw.link.and_then(|i| name(network, i)),
        metric: raw.metric,
    }
}

#[cfg(test)]
mod tests;
