//! Servers for tests: one sound, one sick.

#![allow(
    dead_code,
    reason = "each test binary that includes this uses a part of it"
)]

use std::collections::BTreeMap;

use h8lio_model::condition::{Condition, ConditionType, Kind, Status};
use h8lio_model::ids::{BootId, NodeId};
use h8lio_model::inventory::{
    BondFacts, Carrier, ClockSource, ClockSync, Cpu, CriCondition, CriEndpoint, Disk, DiskKey,
    Domain, DomainMode, Duplex, ForeignManager, HardwareFacts, Health, Interface, InterfaceKind,
    Inventory, KernelFacts, Kubelet, LldpNeighbour, ManagerFacts, Memory, NewPackage, NumaNode,
    OsFacts, Osd, OsdManager, PackageFacts, Problem, RebootReason, RebootRequired, Route,
    RuntimeFacts, Transport, UnusableReason, UpgradablePackage, Vitals,
};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::node::{Clusters, NodeDetail, NodeView};
use h8lio_model::order::{AttemptId, LedgerId, OrderReport, OwnHold};
use h8lio_model::role::Role;
use h8lio_model::section::SectionKind;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// The coordinator's time in every sample.
pub(crate) fn as_of() -> Timestamp {
    Timestamp::from_second(1_795_300_000).expect("in range")
}

/// A moment `seconds` before [`as_of`].
pub(crate) fn before(seconds: i64) -> Timestamp {
    as_of() - SignedDuration::from_secs(seconds)
}

/// Without escape codes and without blanks at line ends.
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// A sound node.
pub(crate) fn node(n: u128, name: &str) -> NodeView {
    NodeView {
        id: NodeId::new(Uuid::from_u128(n)),
        name: name.parse().expect("valid"),
        admission: Admission::Enrolled,
        scheduling: Scheduling::Active,
        availability: Availability::Online,
        availability_reason: "beats arrive".into(),
        availability_since: Some(before(7_300)),
        restriction: None,
        roles: vec![Role::Cloud, Role::Storage],
        topology: Some("eu/par1/par1-a/r1/u12".parse().expect("valid")),
        labels: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        clusters: Clusters {
            kubernetes: Some("https://10.0.0.1:6443".into()),
            ceph_fsid: Some("3f1b0d7e-0000-4000-8000-000000000001".into()),
        },
        conditions: vec![],
        agent_version: Some("0.1.0".into()),
        boot_id: Some(BootId(Uuid::from_u128(0xb007))),
        last_seen: Some(before(1)),
        created_at: before(86_400 * 3),
        certificate_expires_at: Some(as_of() + SignedDuration::from_hours(20)),
    }
}

fn condition(kind: ConditionType, reason: &str, subject: &str, message: &str) -> Condition<Kind> {
    Condition {
        kind: kind.into(),
        status: Status::True,
        reason: reason.into(),
        subject: subject.into(),
        message: message.into(),
        since: before(11_000),
        observed_at: before(20),
    }
}

/// Two nodes, one of which failed.
pub(crate) fn rack() -> Vec<NodeView> {
    let mut second = node(2, "r1-s2");
    second.availability = Availability::Unreachable;
    second.availability_reason = "no beat for 61 s".into();
    second.last_seen = Some(before(61));
    second.conditions = sick().node.conditions;
    let mut third = node(3, "r1-s3");
    third.admission = Admission::Pending;
    third.availability = Availability::WarmingUp;
    third.topology = None;
    third.roles = vec![];
    third.last_seen = None;
    third.boot_id = None;
    third.agent_version = None;
    vec![node(1, "r1-s1"), second, third]
}

/// A node with nothing that needs attention.
pub(crate) fn healthy() -> NodeDetail {
    let observed_at = SectionKind::ALL
        .into_iter()
        .map(|k| (k.as_str().to_owned(), before(30)))
        .collect();
    NodeDetail {
        node: node(1, "r1-s1"),
        inventory: Inventory {
            os: Some(os()),
            cpu: Some(Cpu {
                architecture: "x86_64".into(),
                model: Some("AMD EPYC 7313P".into()),
                sockets: 1,
                cores: 16,
                threads: 32,
            }),
            memory: Some(Memory {
                total_bytes: 134_934_155_264,
                numa_nodes: vec![NumaNode::default()],
            }),
            hardware: Some(HardwareFacts {
                manufacturer: Some("Dell Inc.".into()),
                product: Some("PowerEdge R6515".into()),
                serial: Some("7XK2F3".into()),
                ..HardwareFacts::default()
            }),
            orders: Some(orders()),
            disks: Some(vec![disk("sda", "0x5000c500a1b2c3d4")]),
            interfaces: Some(vec![bond(), loopback()]),
            routes: Some(vec![Route {
                destination: "default".into(),
                gateway: Some("10.0.0.254".into()),
                interface: Some("bond0".into()),
                metric: None,
            }]),
            packages: Some(PackageFacts {
                manager: Some("apt".into()),
                installed: Some(412),
                upgradable: Some(vec![]),
                index_updated_at: Some(before(3_600)),
                reboot_required: RebootRequired {
                    required: Some(false),
                    reasons: vec![],
                },
                ..PackageFacts::default()
            }),
            runtime: Some(runtime()),
            osds: Some(vec![osd()]),
            managers: Some(ManagerFacts {
                managers: vec![ForeignManager {
                    domain: Domain::Patching,
                    name: "unattended-upgrades".into(),
                    evidence: vec!["apt-daily-upgrade.timer is enabled".into()],
                }],
                modes: ["patching", "disks", "network", "runtime"]
                    .into_iter()
                    .map(|d| (d.to_owned(), DomainMode::Observe))
                    .collect(),
                problems: vec![],
            }),
            vitals: Some(Vitals::default()),
            problems: vec![],
            observed_at,
        },
    }
}

/// A node with something wrong in most places.
pub(crate) fn sick() -> NodeDetail {
    let mut detail = healthy();
    detail.node.conditions = vec![
        condition(
            ConditionType::DiskFailing,
            "MediumErrors",
            "0x5000c500a1b2c3d4",
            "sda has 12 sectors that cannot be read; replace it, serial ZA1",
        ),
        condition(
            ConditionType::ForeignManager,
            "UnattendedUpgrades",
            "patching",
            "unattended-upgrades patches this server",
        ),
    ];
    let inventory = &mut detail.inventory;
    if let Some(disks) = &mut inventory.disks {
        disks[0].health = Health::Failing {
            evidence: vec!["12 unreadable sectors".into()],
        };
    }
    if let Some(managers) = &mut inventory.managers {
        managers.modes.insert("patching".into(), DomainMode::Act);
    }
    if let Some(packages) = &mut inventory.packages {
        packages.upgradable = Some(vec![update("openssl", true), update("vim", false)]);
        packages.arriving = Some(vec![NewPackage {
            name: "linux-image-6.1.0-31-amd64".into(),
            architecture: "amd64".into(),
            version: "6.1.128-1".into(),
            security: true,
            origin: "Debian-Security:12/stable-security".into(),
        }]);
        packages.kernel = Some(KernelFacts {
            running: "6.1.0-28-amd64".into(),
            newest: Some("6.1.0-31-amd64".into()),
        });
        packages.boot_id = Some(BootId(Uuid::from_u128(0xb007)));
        packages.after = Some(attempt());
        packages.reboot_required = RebootRequired {
            required: Some(true),
            reasons: vec![RebootReason::Kernel {
                running: "6.1.0-28-amd64".into(),
                installed: "6.1.0-31-amd64".into(),
            }],
        };
    }
    inventory.problems = vec![Problem {
        what: "lldpctl".into(),
        reason: "ToolMissing".into(),
        message: "neighbours are not known; install lldpd".into(),
    }];
    inventory.observed_at.insert("disks".into(), before(4_000));
    inventory.observed_at.remove("vitals");
    detail
}

fn attempt() -> AttemptId {
    AttemptId(Uuid::from_u128(0xa77e))
}

fn orders() -> OrderReport {
    OrderReport {
        ledger: LedgerId(Uuid::from_u128(0x1ed9e4)),
        effective: None,
        pending: None,
        running: None,
        attempts: vec![],
        last_ended: Some(attempt()),
        holds: vec![OwnHold {
            package: "openssl".parse().expect("a name"),
            architecture: None,
            attempt: attempt(),
            since: before(7_200),
        }],
        refused: None,
    }
}

fn os() -> OsFacts {
    OsFacts {
        id: "debian".into(),
        version: Some("12".into()),
        name: Some("Debian GNU/Linux 12 (bookworm)".into()),
        hostname: "r1-s1".into(),
        kernel: "6.1.0-28-amd64".into(),
        boot_id: Some(BootId(Uuid::from_u128(0xb007))),
        booted_at: Some(before(86_400 * 40)),
        clock: ClockSync {
            synchronized: Some(true),
            source: Some(ClockSource::Kernel),
            daemon: Some("chrony".into()),
        },
        ..OsFacts::default()
    }
}

fn disk(device: &str, wwn: &str) -> Disk {
    Disk {
        key: DiskKey::Wwn(wwn.into()),
        device: device.into(),
        wwn: Some(wwn.into()),
        serial: Some("ZA1".into()),
        vendor: None,
        model: Some("ST4000NM000A".into()),
        firmware: Some("SN03".into()),
        transport: Transport::Sata,
        size_bytes: 4_000_787_030_016,
        logical_block_size: 512,
        rotational: Some(true),
        read_only: false,
        removable: false,
        by_id: vec![],
        slot: Some("3".into()),
        partitions: vec![],
        holders: vec![],
        mounts: vec![],
        signatures: vec![],
        health: Health::Healthy,
        unreadable_sectors: Some(0),
        smart: None,
        raid: None,
        unusable: vec![UnusableReason::CephOsd {
            osd_id: Some(7),
            cluster_fsid: None,
        }],
    }
}

fn loopback() -> Interface {
    Interface {
        name: "lo".into(),
        index: 1,
        kind: InterfaceKind::Loopback,
        driver: None,
        mac: None,
        permanent_mac: None,
        mtu: 65_536,
        admin_up: true,
        carrier: Carrier::Up,
        speed_mbps: None,
        duplex: Duplex::Unknown,
        controller: None,
        pci_address: None,
        numa_node: None,
        addresses: vec!["127.0.0.1/8".into()],
        bond: None,
        vlan: None,
        bridge: None,
        lldp: vec![],
    }
}

fn bond() -> Interface {
    Interface {
        name: "bond0".into(),
        index: 2,
        kind: InterfaceKind::Bond,
        driver: Some("bonding".into()),
        mac: Some("52:54:00:00:00:01".into()),
        mtu: 9_000,
        speed_mbps: Some(10_000),
        duplex: Duplex::Full,
        addresses: vec!["10.0.0.11/24".into()],
        bond: Some(BondFacts {
            mode: "802.3ad".into(),
            members: vec!["eno1".into(), "eno2".into()],
            members_up: vec!["eno1".into()],
        }),
        lldp: vec![LldpNeighbour {
            system_name: Some("sw1".into()),
            port_id: Some("Eth1/4".into()),
            ..LldpNeighbour::default()
        }],
        ..loopback()
    }
}

fn update(name: &str, security: bool) -> UpgradablePackage {
    UpgradablePackage {
        name: name.into(),
        architecture: "amd64".into(),
        installed: "1.0".into(),
        candidate: "1.1".into(),
        security,
        origin: "Debian".into(),
    }
}

fn runtime() -> RuntimeFacts {
    RuntimeFacts {
        endpoints: vec![CriEndpoint {
            socket: "/run/containerd/containerd.sock".into(),
            runtime: Some("containerd".into()),
            version: Some("1.7.24".into()),
            api: Some("v1".into()),
            conditions: vec![CriCondition {
                kind: "RuntimeReady".into(),
                status: true,
                ..CriCondition::default()
            }],
            ..CriEndpoint::default()
        }],
        kubelet: Some(Kubelet {
            running: Some(true),
            version: Some("v1.32.1".into()),
            healthy: Some(true),
            manager: Some("kubeadm".into()),
            ..Kubelet::default()
        }),
        problems: vec![],
    }
}

fn osd() -> Osd {
    Osd {
        id: 7,
        fsid: Some("9d5c0a52-0000-4000-8000-000000000007".into()),
        cluster_fsid: None,
        device_class: Some("hdd".into()),
        encrypted: Some(true),
        disks: vec![DiskKey::Wwn("0x5000c500a1b2c3d4".into())],
        running: Some(true),
        manager: OsdManager::Packages,
    }
}
