//! Links, addresses, routes and neighbours.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::scenario::Nic;
use super::server::SimHost;
use super::state::State;
use crate::host::network::{
    NetworkHost, RawAddress, RawBond, RawBondPort, RawLink, RawNeighbours, RawNetDevice,
    RawNetwork, RawRoute,
};

/// The part of faults that these hang by.
const PART: &str = "network";

impl NetworkHost for SimHost {
    fn network(&self) -> RawNetwork {
        let state = self.read(PART);
        let s = &state.server;
        let mut links = vec![loopback()];
        links.extend(s.nic.iter().enumerate().map(|(i, n)| card(&state, i, n)));
        for (i, b) in s.bond.iter().enumerate() {
            let legs = || s.nic.iter().filter(|n| n.bond.as_ref() == Some(&b.name));
            links.push(RawLink {
                index: bond_index(i),
                name: b.name.clone(),
                kind: Some("bond".into()),
                admin_up: true,
                carrier: Some(legs().any(|n| n.cable)),
                mtu: 9000,
                mac: legs().next().map(|n| n.mac.clone()),
                bond: Some(RawBond {
                    mode: b.mode.clone(),
                    aggregator: Some(1),
                }),
                ..RawLink::default()
            });
        }
        let named = |name: &str| links.iter().find(|l| l.name == name).map(|l| l.index);
        let cards = s.nic.iter().map(|n| (&n.name, &n.addresses));
        let bonds = s.bond.iter().map(|b| (&b.name, &b.addresses));
        let mut addresses = Vec::new();
        for (name, texts) in cards.chain(bonds) {
            let link = named(name).unwrap_or(0);
            addresses.extend(texts.iter().filter_map(|t| address(link, t)));
        }
        let routes = addresses
            .first()
            .and_then(default_route)
            .into_iter()
            .collect();
        RawNetwork {
            links,
            addresses,
            routes,
            problems: Vec::new(),
        }
    }

    fn neighbours(&self) -> RawNeighbours {
        let state = self.read(PART);
        let plugged = state.server.nic.iter().filter(|n| n.cable);
        let interfaces: Vec<Value> = plugged.filter_map(heard).collect();
        let lldp = json!({ "lldp": [{ "interface": interfaces }] });
        RawNeighbours {
            lldp: Some(lldp.to_string().into_bytes()),
            problems: Vec::new(),
        }
    }
}

fn loopback() -> RawLink {
    RawLink {
        index: 1,
        name: "lo".into(),
        loopback: true,
        admin_up: true,
        carrier: Some(true),
        mtu: 65_536,
        ..RawLink::default()
    }
}

fn bond_index(i: usize) -> u32 {
    100 + u32::try_from(i).unwrap_or(0)
}

fn card(state: &State, i: usize, n: &Nic) -> RawLink {
    let bond = |b: &String| state.server.bond.iter().position(|x| x.name == *b);
    let controller = n.bond.as_ref().and_then(bond).map(bond_index);
    RawLink {
        index: 2 + u32::try_from(i).unwrap_or(0),
        name: n.name.clone(),
        admin_up: true,
        carrier: Some(n.cable),
        mtu: 9000,
        mac: Some(n.mac.clone()),
        permanent_mac: Some(n.mac.clone()),
        controller,
        bond_port: controller.map(|_| RawBondPort {
            mii_up: Some(n.cable),
            aggregator: Some(1),
        }),
        device: Some(RawNetDevice {
            driver: Some("simnic".into()),
            pci_address: Some(format!("0000:3b:00.{i}")),
            numa_node: Some("0".into()),
            speed: n.cable.then(|| n.speed_mbps.to_string()),
            duplex: n.cable.then(|| "full".into()),
        }),
        ..RawLink::default()
    }
}

fn address(link: u32, text: &str) -> Option<RawAddress> {
    let (address, prefix) = text.split_once('/')?;
    Some(RawAddress {
        link,
        address: address.parse().ok()?,
        prefix: prefix.parse().ok()?,
    })
}

/// By way of the first address of its network.
fn default_route(first: &RawAddress) -> Option<RawRoute> {
    let IpAddr::V4(v4) = first.address else {
        return None;
    };
    let [a, b, c, _] = v4.octets();
    Some(RawRoute {
        destination: None,
        gateway: Some(IpAddr::from([a, b, c, 1])),
        link: Some(first.link),
        metric: None,
    })
}

/// As `lldpctl -f json0` says it.
fn heard(n: &Nic) -> Option<Value> {
    let switch = n.switch.as_ref()?;
    let port = n.port.clone().unwrap_or_default();
    Some(json!({
        "name": n.name,
        "chassis": [{
            "id": [{ "type": "local", "value": switch }],
            "name": [{ "value": switch }],
        }],
        "port": [{
            "id": [{ "type": "ifname", "value": port }],
            "descr": [{ "value": format!("to {}", n.name) }],
        }],
    }))
}
