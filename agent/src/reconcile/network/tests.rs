use std::net::IpAddr;

use h8lio_model::condition::{Condition, ConditionType, Status};
use jiff::Timestamp;

use super::*;
use crate::host::network::{RawAddress, RawBond, RawBondPort, RawNetDevice};

fn nic(index: u32, name: &str) -> RawLink {
    RawLink {
        index,
        name: name.into(),
        admin_up: true,
        carrier: Some(true),
        mtu: 1500,
        device: Some(RawNetDevice {
            speed: Some("25000".into()),
            duplex: Some("full".into()),
            numa_node: Some("-1".into()),
            ..RawNetDevice::default()
        }),
        ..RawLink::default()
    }
}

fn bonded(legs: [Option<RawBondPort>; 2]) -> RawNetwork {
    let mut links = vec![RawLink {
        index: 9,
        name: "bond0".into(),
        kind: Some("bond".into()),
        admin_up: true,
        carrier: Some(true),
        bond: Some(RawBond {
            mode: "802.3ad".into(),
            aggregator: Some(1),
        }),
        ..RawLink::default()
    }];
    for (i, port) in legs.into_iter().enumerate() {
        let mut leg = nic(i as u32 + 1, &format!("eth{i}"));
        leg.controller = Some(9);
        leg.bond_port = port;
        links.push(leg);
    }
    RawNetwork {
        links,
        ..RawNetwork::default()
    }
}

fn judged(raw: &RawNetwork) -> Vec<Condition> {
    conditions(&facts(raw, None), Timestamp::UNIX_EPOCH)
}

fn port(mii_up: bool, aggregator: u16) -> Option<RawBondPort> {
    Some(RawBondPort {
        mii_up: Some(mii_up),
        aggregator: Some(aggregator),
    })
}

#[test]
fn a_bond_on_all_its_legs_is_fine() {
    assert_eq!(judged(&bonded([port(true, 1), port(true, 1)])), []);
}

#[test]
fn a_leg_in_another_lacp_group_degrades_the_bond_although_its_link_is_up() {
    let got = judged(&bonded([port(true, 1), port(true, 2)]));
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].kind, ConditionType::BondDegraded);
    assert_eq!(
        (got[0].subject.as_str(), got[0].reason.as_str()),
        ("bond0", "MembersDown")
    );
    assert!(
        got[0].message.contains("1 of 2 members, without eth1"),
        "{}",
        got[0].message
    );
}

#[test]
fn a_leg_without_carrier_is_down_even_if_the_bond_counts_it() {
    let mut raw = bonded([port(true, 1), port(true, 1)]);
    raw.links[1].carrier = Some(false);
    let got = judged(&raw);
    let keys: Vec<_> = got
        .iter()
        .map(|c| (c.subject.as_str(), c.reason.as_str()))
        .collect();
    assert_eq!(keys, [("eth0", "NoCarrier"), ("bond0", "MembersDown")]);
}

#[test]
fn an_unused_card_without_carrier_is_no_fault_and_a_used_one_is() {
    let mut raw = RawNetwork {
        links: vec![nic(2, "eth0")],
        ..RawNetwork::default()
    };
    raw.links[0].carrier = Some(false);
    raw.addresses.push(RawAddress {
        link: 2,
        address: "fe80::1".parse::<IpAddr>().expect("address"),
        prefix: 64,
    });
    assert_eq!(judged(&raw), []);
    raw.addresses[0].address = "10.1.2.3".parse().expect("address");
    assert_eq!(judged(&raw)[0].reason, "NoCarrier");
    raw.links[0].carrier = None;
    assert_eq!(judged(&raw)[0].status, Status::Unknown);
    raw.links[0].admin_up = false;
    assert_eq!(judged(&raw), []);
}

#[test]
fn half_duplex_and_low_speed_are_named() {
    let mut raw = RawNetwork {
        links: vec![nic(2, "eth0")],
        ..RawNetwork::default()
    };
    let device = |duplex: &str, speed: &str| {
        Some(RawNetDevice {
            duplex: Some(duplex.into()),
            speed: Some(speed.into()),
            ..RawNetDevice::default()
        })
    };
    for (duplex, speed, reason) in [
        ("half", "100", Some("HalfDuplex")),
        ("full", "100", Some("LowSpeed")),
        ("unknown", "-1", None),
        ("full", "1000", None),
    ] {
        raw.links[0].device = device(duplex, speed);
        let got = judged(&raw);
        assert_eq!(
            got.first().map(|c| c.reason.as_str()),
            reason,
            "{duplex} {speed}"
        );
    }
}

#[test]
fn a_speed_that_is_no_number_is_a_problem_and_not_a_speed() {
    let mut raw = RawNetwork {
        links: vec![nic(2, "eth0")],
        ..RawNetwork::default()
    };
    raw.links[0].device.as_mut().expect("set").speed = Some("fast\n".into());
    let got = facts(&raw, None);
    assert_eq!(got.interfaces[0].speed_mbps, None);
    assert_eq!(got.problems[0].reason, "NotUnderstood");
}

#[test]
fn a_vlan_names_its_parent_and_keeps_the_parent_in_use() {
    let mut raw = RawNetwork {
        links: vec![
            nic(2, "eth0"),
            RawLink {
                index: 3,
                name: "eth0.5".into(),
                kind: Some("vlan".into()),
                parent: Some(2),
                vlan_id: Some(5),
                ..RawLink::default()
            },
        ],
        ..RawNetwork::default()
    };
    raw.links[0].carrier = Some(false);
    let got = facts(&raw, None);
    let vlan = got.interfaces[1].vlan.as_ref().expect("a vlan");
    assert_eq!((vlan.id, vlan.parent.as_str()), (5, "eth0"));
    assert_eq!(judged(&raw)[0].reason, "NoCarrier");
}

fn heard(json: &str) -> NetworkFacts {
    let raw = RawNetwork {
        links: vec![nic(2, "eth0"), nic(3, "eth1")],
        ..RawNetwork::default()
    };
    let neighbours = RawNeighbours {
        lldp: Some(json.into()),
        problems: vec![],
    };
    facts(&raw, Some(&neighbours))
}

#[test]
fn both_shapes_of_lldpctl_json_and_its_lists_of_one_give_the_same_neighbours() {
    let chassis = r#"{"id":[{"type":"mac","value":"02:00:00:00:01:00"}],"name":[{"value":"sw1"}]}"#;
    let entry = |i: &str| {
        format!(
            r#"{{"name":"{i}","via":"LLDP","chassis":[{chassis}],"port":[{{"id":[{{"type":"ifname","value":"Eth1/{i}"}}],"descr":[{{"value":"rack 1"}}]}}]}}"#
        )
    };
    let json0 = format!(
        r#"{{"lldp":[{{"interface":[{},{}]}}]}}"#,
        entry("eth0"),
        entry("eth1")
    );
    let plain = |i: &str| {
        format!(
            r#""{i}":{{"via":"LLDP","chassis":{{"sw1":{{"id":{{"type":"mac","value":"02:00:00:00:01:00"}}}}}},"port":{{"id":{{"type":"ifname","value":"Eth1/{i}"}},"descr":"rack 1"}}}}"#
        )
    };
    let many = format!(
        r#"{{"lldp":{{"interface":[{{{}}},{{{}}}]}}}}"#,
        plain("eth0"),
        plain("eth1")
    );
    let one = format!(r#"{{"lldp":{{"interface":{{{}}}}}}}"#, plain("eth0"));
    let want = LldpNeighbour {
        chassis_id: Some("02:00:00:00:01:00".into()),
        system_name: Some("sw1".into()),
        port_id: Some("Eth1/eth0".into()),
        port_description: Some("rack 1".into()),
    };
    for json in [&json0, &many, &one] {
        let got = heard(json);
        assert_eq!(got.problems, [], "{json}");
        assert_eq!(
            got.interfaces[0].lldp,
            std::slice::from_ref(&want),
            "{json}"
        );
    }
    assert_eq!(
        heard(&json0).interfaces[1].lldp,
        heard(&many).interfaces[1].lldp
    );
    assert_eq!(heard(&one).interfaces[1].lldp, []);
}

#[test]
fn nobody_heard_is_no_problem_and_junk_is_one() {
    assert_eq!(heard(r#"{"lldp":{}}"#).problems, []);
    for junk in [
        "",
        "\u{0}\u{1}",
        r#"{"lldp":{"interface":[7]}}"#,
        "[]",
        r#"{"lldp""#,
    ] {
        assert_eq!(heard(junk).problems[0].reason, "NotUnderstood", "{junk:?}");
    }
}

#[test]
fn a_leg_that_is_slower_than_the_fastest_of_its_bond_is_degraded() {
    let mut raw = bonded([port(true, 1), port(true, 1)]);
    let speed = |raw: &mut RawNetwork, link: usize, speed: &str| {
        let device = raw.links[link].device.as_mut().expect("a card");
        device.speed = Some(speed.into());
    };
    assert_eq!(judged(&raw), []);
    speed(&mut raw, 2, "1000");
    let found = judged(&raw);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, ConditionType::LinkDegraded);
    assert_eq!(found[0].status, Status::True);
    assert_eq!(found[0].subject, "eth1");
    assert_eq!(
        found[0].message,
        "eth1 runs at 1000 Mbit/s and eth0 of the same bond bond0 at 25000: check cable, \
         transceiver and switch port"
    );
    speed(&mut raw, 1, "1000");
    assert_eq!(judged(&raw), [], "legs of one speed");
    raw.links[2].controller = None;
    speed(&mut raw, 1, "25000");
    assert_eq!(judged(&raw), [], "a card of its own");
}
