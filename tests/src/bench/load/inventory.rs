//! The inventory of a made-up storage server: twelve drives with an OSD on each, two bonded ports,
//! sixty packages that wait. About 30 KiB of JSON, as a real one of that size has.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{
    BondFacts, Carrier, ClockSource, ClockSync, Cpu, CriCondition, CriEndpoint, Disk, DiskFacts,
    DiskKey, Domain, Duplex, ForeignManager, HardwareFacts, Health, Interface, InterfaceKind,
    Kubelet, LldpNeighbour, ManagerFacts, Memory, NetworkFacts, NumaNode, OsFacts, Osd, OsdFacts,
    OsdManager, PackageFacts, Partition, Route, RuntimeFacts, Signature, SmartSummary, Transport,
    UnusableReason, UpgradablePackage,
};
use h8lio_model::section::{Section, SectionKind};
use jiff::Timestamp;

const DISKS: usize = 12;
const PACKAGES: usize = 60;
const LINKS: usize = 8;

/// Every durable section of server `number`; another `round` has other content in each.
pub fn sections(number: usize, round: u64) -> anyhow::Result<Vec<Section>> {
    let at = Timestamp::from_second(1_700_000_000 + i64::try_from(round)?)?;
    let ids: Vec<usize> = (0..DISKS).collect();
    Ok(vec![
        Section::encode(SectionKind::Hardware, &hardware(number, round))?,
        Section::encode(SectionKind::Os, &os(number, at))?,
        Section::encode(SectionKind::Packages, &packages(at))?,
        Section::encode(
            SectionKind::Disks,
            &DiskFacts {
                disks: ids.iter().map(|d| disk(number, *d, round)).collect(),
                problems: Vec::new(),
            },
        )?,
        Section::encode(
            SectionKind::Osds,
            &OsdFacts {
                osds: ids.iter().map(|d| osd(number, *d)).collect(),
                problems: Vec::new(),
            },
        )?,
        Section::encode(SectionKind::Network, &network(number, round))?,
        Section::encode(SectionKind::Runtime, &runtime())?,
        Section::encode(SectionKind::Managers, &managers())?,
        Section::encode(SectionKind::Conditions, &conditions(number, at))?,
    ])
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn hardware(number: usize, round: u64) -> HardwareFacts {
    HardwareFacts {
        manufacturer: some("Example Systems"),
        product: some("Storage Server 2U12"),
        serial: Some(format!("EX{number:08}")),
        system_uuid: Some(uuid::Uuid::from_u128(number as u128).to_string()),
        board_serial: Some(format!("BD{number:08}")),
        bios_version: Some(format!("2.{round}")),
        uefi: Some(true),
        bmc: Some(true),
        cpu: Cpu {
            architecture: "x86_64".to_owned(),
            model: some("Example Processor 7443P 24-Core"),
            sockets: 1,
            cores: 24,
            threads: 48,
        },
        memory: Memory {
            total_bytes: 256 << 30,
            numa_nodes: vec![NumaNode {
                id: 0,
                cpus: "0-47".to_owned(),
                memory_bytes: 256 << 30,
            }],
        },
        ..HardwareFacts::default()
    }
}

fn os(number: usize, at: Timestamp) -> OsFacts {
    OsFacts {
        id: "debian".to_owned(),
        version: some("12"),
        name: some("Debian GNU/Linux 12 (bookworm)"),
        hostname: format!("server-{number}"),
        kernel: "6.1.0-18-amd64".to_owned(),
        booted_at: Some(at),
        machine_id: Some(uuid::Uuid::from_u128(number as u128).simple().to_string()),
        init: some("systemd"),
        command_line: some("BOOT_IMAGE=/vmlinuz-6.1.0-18-amd64 root=/dev/md0 ro panic=30"),
        clock: ClockSync {
            synchronized: Some(true),
            source: Some(ClockSource::Kernel),
            daemon: some("chrony"),
        },
        ..OsFacts::default()
    }
}

fn packages(at: Timestamp) -> PackageFacts {
    let package = |n: usize| UpgradablePackage {
        name: format!("libexample-component{n}"),
        architecture: "amd64".to_owned(),
        installed: format!("1.{n}.0-2+deb12u1"),
        candidate: format!("1.{n}.0-2+deb12u2"),
        security: n.is_multiple_of(3),
        origin: "Debian-Security:12/stable-security".to_owned(),
    };
    PackageFacts {
        manager: some("apt"),
        installed: Some(1_204),
        upgradable: Some((0..PACKAGES).map(package).collect()),
        interrupted: Some(false),
        index_updated_at: Some(at),
        ..PackageFacts::default()
    }
}

fn wwn(number: usize, disk: usize) -> String {
    format!("0x5000c500{number:06x}{disk:02x}")
}

fn letter(disk: usize) -> char {
    char::from(b'a' + u8::try_from(disk % 26).unwrap_or(0))
}

fn disk(number: usize, n: usize, round: u64) -> Disk {
    let (wwn, device) = (wwn(number, n), format!("sd{}", letter(n)));
    let signature = |kind: &str, id: &str| Signature {
        kind: kind.to_owned(),
        id: some(id),
    };
    Disk {
        key: DiskKey::Wwn(wwn.clone()),
        device: device.clone(),
        wwn: Some(wwn.clone()),
        serial: Some(format!("ZR{number:05}{n:02}")),
        vendor: some("EXAMPLE"),
        model: some("EX16000NM001G-2KK103"),
        firmware: some("SN03"),
        transport: Transport::Sas,
        size_bytes: 16_000_900_661_248,
        logical_block_size: 512,
        rotational: Some(true),
        read_only: false,
        removable: false,
        by_id: vec![format!("scsi-3{}", &wwn[2..]), format!("wwn-{wwn}")],
        slot: Some(format!("slot {n}")),
        partitions: vec![Partition {
            device: format!("{device}1"),
            size_bytes: 16_000_899_612_672,
            holders: vec![format!("dm-{n}")],
            signatures: vec![signature(
                "LVM2_member",
                "kWnU2L-1e7b-Zx0P-gTjQ-7oRw-3sVn-9yKd5a",
            )],
        }],
        holders: vec![format!("dm-{n}")],
        mounts: Vec::new(),
        signatures: vec![signature("gpt", "0c5c3f7e-5d2b-4c0e-9d53-6e1f6a1b2c3d")],
        health: Health::Healthy,
        unreadable_sectors: Some(0),
        smart: Some(SmartSummary {
            passed: Some(true),
            reallocated_sectors: Some(round),
            pending_sectors: Some(0),
            offline_uncorrectable: Some(0),
            ..SmartSummary::default()
        }),
        raid: None,
        unusable: vec![
            UnusableReason::Held {
                by: format!("dm-{n}"),
            },
            UnusableReason::Partitioned { count: 1 },
        ],
    }
}

fn osd(number: usize, n: usize) -> Osd {
    Osd {
        id: u32::try_from(number * DISKS + n).unwrap_or(u32::MAX),
        fsid: Some(uuid::Uuid::from_u128((number * DISKS + n) as u128).to_string()),
        cluster_fsid: some("6f2b7c1e-8c57-4f53-9a3b-2f1f0a9d7e11"),
        device_class: some("hdd"),
        encrypted: Some(true),
        disks: vec![DiskKey::Wwn(wwn(number, n))],
        running: Some(true),
        manager: OsdManager::Packages,
    }
}

fn network(number: usize, round: u64) -> NetworkFacts {
    let link = |n: usize| Interface {
        name: format!("ens{n}f0np0"),
        index: u32::try_from(n + 2).unwrap_or(0),
        kind: InterfaceKind::Physical,
        driver: some("mlx5_core"),
        mac: Some(format!("0c:42:a1:00:{:02x}:{n:02x}", number % 256)),
        permanent_mac: Some(format!("0c:42:a1:00:{:02x}:{n:02x}", number % 256)),
        mtu: 9_000,
        admin_up: true,
        carrier: Carrier::Up,
        speed_mbps: Some(25_000),
        duplex: Duplex::Full,
        controller: some("bond0"),
        pci_address: Some(format!("0000:{:02x}:00.0", 0x41 + n)),
        numa_node: Some(0),
        addresses: vec![format!("10.{}.{}.{n}/24", number / 256, number % 256)],
        bond: (n == 0).then(|| BondFacts {
            mode: "802.3ad".to_owned(),
            members: vec!["ens1f0np0".to_owned(), "ens2f0np0".to_owned()],
            members_up: vec!["ens1f0np0".to_owned(), "ens2f0np0".to_owned()],
        }),
        vlan: None,
        bridge: None,
        lldp: vec![LldpNeighbour {
            chassis_id: some("mac 50:00:00:00:00:01"),
            system_name: some("leaf-a.example.org"),
            port_id: Some(format!("Ethernet{}", n + 1)),
            port_description: Some(format!("server {number} round {round}")),
        }],
    };
    let route = |n: usize| Route {
        destination: format!("10.200.{n}.0/24"),
        gateway: some("10.0.0.1"),
        interface: some("bond0"),
        metric: Some(100),
    };
    NetworkFacts {
        interfaces: (0..LINKS).map(link).collect(),
        routes: (0..LINKS).map(route).collect(),
        problems: Vec::new(),
    }
}

fn runtime() -> RuntimeFacts {
    let condition = |kind: &str| CriCondition {
        kind: kind.to_owned(),
        status: true,
        ..CriCondition::default()
    };
    RuntimeFacts {
        endpoints: vec![CriEndpoint {
            socket: "/run/containerd/containerd.sock".to_owned(),
            runtime: some("containerd"),
            version: some("1.6.20"),
            api: some("v1"),
            conditions: vec![condition("RuntimeReady"), condition("NetworkReady")],
            fault: None,
            error: None,
        }],
        kubelet: Some(Kubelet {
            running: Some(true),
            version: some("v1.29.3"),
            healthy: Some(true),
            api_server: some("https://10.0.0.10:6443"),
            manager: some("kubeadm"),
        }),
        problems: Vec::new(),
    }
}

fn managers() -> ManagerFacts {
    ManagerFacts {
        managers: vec![ForeignManager {
            domain: Domain::Patching,
            name: "unattended-upgrades".to_owned(),
            evidence: vec!["/etc/apt/apt.conf.d/20auto-upgrades".to_owned()],
        }],
        ..ManagerFacts::default()
    }
}

fn conditions(number: usize, at: Timestamp) -> Vec<Condition> {
    let condition = |kind, subject: &str, message: &str| Condition {
        kind,
        status: Status::True,
        reason: "Seen".to_owned(),
        subject: subject.to_owned(),
        message: message.to_owned(),
        since: at,
        observed_at: at,
    };
    vec![
        condition(
            ConditionType::SecurityUpdatesPending,
            "",
            "20 security updates wait; roll them out",
        ),
        condition(
            ConditionType::ForeignManager,
            "patching",
            "unattended-upgrades patches this server; hand it over before h8lio may act",
        ),
        condition(
            ConditionType::DiskHealthUnknown,
            &wwn(number, 0),
            "smartctl could not be asked; install smartmontools",
        ),
    ]
}
