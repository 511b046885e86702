//! Facts to start from: well, complete, and small.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::ids::BootId;
use h8lio_model::inventory::{
    Carrier, ClockSync, Cpu, CriCondition, CriEndpoint, Disk, DiskKey, Duplex, HardwareFacts,
    Health, Interface, InterfaceKind, Kubelet, LldpNeighbour, Memory, OsFacts, Osd, OsdManager,
    Problem, Transport, UpgradablePackage,
};
use jiff::Timestamp;
use serde::Serialize;

pub(super) fn json<T: Serialize>(facts: &T) -> Vec<u8> {
    serde_json::to_vec(facts).expect("facts have a JSON form")
}

/// A copy of `facts`, changed.
pub(super) fn with<T: Clone>(facts: &T, change: impl FnOnce(&mut T)) -> T {
    let mut facts = facts.clone();
    change(&mut facts);
    facts
}

pub(super) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(super) fn problem() -> Problem {
    Problem {
        what: "lsblk".into(),
        reason: "TimedOut".into(),
        message: "no answer in 10 s; look for a hanging disk in the kernel log".into(),
    }
}

pub(super) fn hardware() -> HardwareFacts {
    HardwareFacts {
        serial: some("SN1"),
        system_uuid: some("4c4c4544-0000-0000-0000-000000000001"),
        board_serial: some("B1"),
        bios_version: some("2.1"),
        cpu: Cpu {
            architecture: "x86_64".into(),
            model: None,
            sockets: 2,
            cores: 32,
            threads: 64,
        },
        memory: Memory {
            total_bytes: 256 << 30,
            numa_nodes: Vec::new(),
        },
        ..HardwareFacts::default()
    }
}

pub(super) fn os() -> OsFacts {
    OsFacts {
        id: "debian".into(),
        version: some("12"),
        hostname: "s1".into(),
        kernel: "6.1.0-40-amd64".into(),
        boot_id: Some(BootId(uuid::Uuid::from_u128(1))),
        machine_id: some("m1"),
        clock: ClockSync {
            synchronized: Some(true),
            source: None,
            daemon: some("chrony"),
        },
        ..OsFacts::default()
    }
}

pub(super) fn update(name: &str, security: bool) -> UpgradablePackage {
    UpgradablePackage {
        name: name.into(),
        architecture: "amd64".into(),
        installed: "1".into(),
        candidate: "2".into(),
        security,
        origin: "Debian-Security:12/stable-security".into(),
    }
}

pub(super) fn wwn(value: &str) -> DiskKey {
    DiskKey::Wwn(value.to_owned())
}

pub(super) fn disk(key: DiskKey, device: &str) -> Disk {
    Disk {
        wwn: None,
        serial: None,
        key,
        device: device.to_owned(),
        vendor: None,
        model: some("HGST HUH721212"),
        firmware: some("A1"),
        transport: Transport::Sas,
        size_bytes: 12_000_000_000_000,
        logical_block_size: 512,
        rotational: Some(true),
        read_only: false,
        removable: false,
        by_id: Vec::new(),
        slot: some("7"),
        partitions: Vec::new(),
        holders: Vec::new(),
        mounts: Vec::new(),
        signatures: Vec::new(),
        health: Health::Healthy,
        unreadable_sectors: Some(0),
        smart: None,
        raid: None,
        unusable: Vec::new(),
    }
}

pub(super) fn failing() -> Health {
    Health::Failing {
        evidence: vec!["MediumErrors: 12".into()],
    }
}

pub(super) fn osd(id: u32) -> Osd {
    Osd {
        id,
        fsid: Some(format!("fsid-{id}")),
        cluster_fsid: some("cluster-a"),
        device_class: some("hdd"),
        encrypted: Some(true),
        disks: vec![wwn("0x5000")],
        running: Some(true),
        manager: OsdManager::Packages,
    }
}

pub(super) fn interface(name: &str, kind: InterfaceKind) -> Interface {
    Interface {
        name: name.to_owned(),
        index: 2,
        kind,
        driver: some("ixgbe"),
        mac: some("02:00:00:00:00:01"),
        permanent_mac: None,
        mtu: 1500,
        admin_up: true,
        carrier: Carrier::Up,
        speed_mbps: Some(10_000),
        duplex: Duplex::Full,
        controller: None,
        pci_address: None,
        numa_node: None,
        addresses: vec!["10.0.0.1/24".into()],
        bond: None,
        vlan: None,
        bridge: None,
        lldp: Vec::new(),
    }
}

pub(super) fn card(name: &str) -> Interface {
    interface(name, InterfaceKind::Physical)
}

pub(super) fn neighbour(switch: &str, port: &str) -> LldpNeighbour {
    LldpNeighbour {
        system_name: some(switch),
        port_id: some(port),
        ..LldpNeighbour::default()
    }
}

pub(super) fn endpoint(socket: &str) -> CriEndpoint {
    CriEndpoint {
        socket: socket.to_owned(),
        runtime: some("containerd"),
        version: some("1.7.1"),
        api: some("v1"),
        conditions: vec![CriCondition {
            kind: "NetworkReady".into(),
            status: true,
            ..CriCondition::default()
        }],
        fault: None,
        error: None,
    }
}

pub(super) fn kubelet() -> Kubelet {
    Kubelet {
        running: Some(true),
        version: some("v1.31.0"),
        healthy: Some(true),
        api_server: some("https://10.0.0.9:6443"),
        manager: some("kubeadm"),
    }
}

pub(super) fn condition(kind: ConditionType, subject: &str, status: Status) -> Condition {
    Condition {
        kind,
        status,
        reason: "Because".into(),
        subject: subject.into(),
        message: "it is so; look at it".into(),
        since: Timestamp::UNIX_EPOCH,
        observed_at: Timestamp::UNIX_EPOCH,
    }
}
