//! One change a row: facts before, facts after, and exactly the events that follow.

use h8lio_model::condition::{ConditionType, Status};
use h8lio_model::ids::BootId;
use h8lio_model::inventory::{
    BondFacts, BrokenPackage, Carrier, DiskFacts, DiskKey, Domain, DomainMode, Duplex,
    ForeignManager, Interface, InterfaceKind, ManagerFacts, NetworkFacts, OsdFacts, OsdManager,
    PackageFacts, RebootReason, Route, RuntimeFacts,
};
use h8lio_model::section::SectionKind;
use serde::Serialize;

use super::super::diff;
use super::super::reason::Reason::{self, *};
use super::facts::*;

/// A change and the reasons that it must give, in order.
struct Case {
    kind: SectionKind,
    old: Option<Vec<u8>>,
    new: Vec<u8>,
    reasons: Vec<Reason>,
}

fn case<T: Serialize>(kind: SectionKind, old: &T, new: &T, reasons: &[Reason]) -> Case {
    Case {
        kind,
        old: Some(json(old)),
        new: json(new),
        reasons: reasons.to_vec(),
    }
}

/// The rows of one kind of facts: the same start, changed in one way each, and back.
macro_rules! rows {
    ($kind:ident, $base:expr, [$( $change:expr => $there:expr, $back:expr; )*]) => {{
        let base = $base;
        let mut rows = Vec::new();
        $({
            let changed = with(&base, $change);
            rows.push(case(SectionKind::$kind, &base, &changed, &$there));
            rows.push(case(SectionKind::$kind, &changed, &base, &$back));
        })*
        rows
    }};
}

fn hardware_rows() -> Vec<Case> {
    rows!(Hardware, hardware(), [
        |h| h.serial = some("SN2") => [SerialChanged], [SerialChanged];
        |h| h.system_uuid = some("other") => [SerialChanged], [SerialChanged];
        |h| h.serial = None => [], [];
        |h| h.board_serial = some("B2") => [BoardSerialChanged], [BoardSerialChanged];
        |h| h.bios_version = some("2.2") => [BiosVersionChanged], [BiosVersionChanged];
        |h| h.cpu.threads = 63 => [CpuCountChanged], [CpuCountChanged];
        |h| h.cpu.sockets = 0 => [], [];
        |h| h.memory.total_bytes -= 32 << 30 => [MemoryShrank], [MemoryGrew];
        |h| h.memory.total_bytes -= 256 << 20 => [], [];
        |h| h.memory.total_bytes = 0 => [], [];
    ])
}

fn os_rows() -> Vec<Case> {
    let reboot = |n| Some(BootId(uuid::Uuid::from_u128(n)));
    rows!(Os, os(), [
        |o| o.boot_id = reboot(2) => [Rebooted], [Rebooted];
        |o| { o.boot_id = reboot(2); o.kernel = "6.1.0-41-amd64".into(); }
            => [Rebooted, KernelChanged], [Rebooted, KernelChanged];
        |o| o.boot_id = None => [], [];
        |o| o.version = some("13") => [OsReleaseChanged], [OsReleaseChanged];
        |o| o.hostname = "s2".into() => [HostnameChanged], [HostnameChanged];
        |o| o.machine_id = some("m2") => [MachineIdChanged], [MachineIdChanged];
        |o| o.clock.synchronized = Some(false) => [ClockLostSync], [ClockSynced];
        |o| o.clock.synchronized = None => [], [];
    ])
}

fn package_rows() -> Vec<Case> {
    let base = PackageFacts {
        manager: some("apt"),
        installed: Some(400),
        upgradable: Some(vec![update("vim", false)]),
        ..PackageFacts::default()
    };
    let kernel = RebootReason::Kernel {
        running: "6.1.0-40".into(),
        installed: "6.1.0-41".into(),
    };
    let half = |name: &str| BrokenPackage {
        name: name.into(),
        state: "half-configured".into(),
    };
    let required = |p: &mut PackageFacts| p.reboot_required.required = Some(true);
    let mut rows = rows!(Packages, with(&base, |p| p.reboot_required.required = Some(false)), [
        |p| p.upgradable = Some(vec![update("openssl", true), update("vim", false)])
            => [SecurityUpdatesAppeared], [SecurityUpdatesCleared];
        |p| p.upgradable = Some(Vec::new()) => [], [];
        |p| p.upgradable = None => [], [];
        |p| p.broken = vec![half("grub-pc")] => [PackagesBroken], [PackagesRepaired];
        |p| p.interrupted = Some(true) => [PackagesBroken], [PackagesRepaired];
        |p| { p.broken = vec![half("grub-pc")]; p.busy = vec!["apt-get".into()]; } => [], [];
        |p| { required(p); p.reboot_required.reasons = vec![kernel]; }
            => [RebootBecameRequired], [RebootNoLongerRequired];
    ]);
    // Unknown to good says nothing, unknown to bad is said.
    rows.push(case(
        SectionKind::Packages,
        &base,
        &with(&base, required),
        &[RebootBecameRequired],
    ));
    rows
}

fn disk_rows() -> Vec<Case> {
    let base = DiskFacts {
        disks: vec![disk(wwn("0x1"), "sda"), disk(wwn("0x2"), "sdb")],
        problems: Vec::new(),
    };
    let nameless = |device: &str| disk(DiskKey::Unstable(device.into()), device);
    let mut rows = rows!(Disks, base, [
        |d| d.disks.push(disk(wwn("0x3"), "sdc")) => [DiskAppeared], [DiskVanished];
        |d| { d.disks[0].device = "sdb".into(); d.disks[1].device = "sda".into(); }
            => [DiskMoved, DiskMoved], [DiskMoved, DiskMoved];
        |d| d.disks.push(disk(wwn("0x1"), "sdx")) => [DiskMoved], [DiskMoved];
        |d| d.disks[1].health = failing() => [DiskHealthChanged], [DiskHealthChanged];
        |d| d.disks[1].health = h8lio_model::inventory::Health::Unknown { reason: "?".into() }
            => [], [];
        |d| d.disks[0].size_bytes = 5 => [DiskSizeChanged], [DiskSizeChanged];
        |d| d.disks[0].firmware = some("A2") => [DiskFirmwareChanged], [DiskFirmwareChanged];
        |d| d.disks[0].read_only = true => [DiskBecameReadOnly], [DiskBecameWritable];
        |d| d.disks.push(nameless("vda")) => [UnidentifiedDisksChanged], [UnidentifiedDisksChanged];
        |d| { d.disks.clear(); d.problems.push(problem()); }
            => [SectionUnread], [SectionReadAgain];
        |d| d.disks.clear() => [DiskVanished, DiskVanished], [DiskAppeared, DiskAppeared];
        |d| { d.disks.pop(); d.problems.push(problem()); } => [DiskVanished], [DiskAppeared];
    ]);
    // A problem that stood before excuses nothing.
    let standing = |disks| DiskFacts {
        disks,
        problems: vec![problem()],
    };
    let (one_disk, no_disk) = (
        standing(vec![disk(wwn("0x1"), "sda")]),
        standing(Vec::new()),
    );
    rows.push(case(
        SectionKind::Disks,
        &one_disk,
        &no_disk,
        &[DiskVanished],
    ));
    rows.push(case(
        SectionKind::Disks,
        &no_disk,
        &one_disk,
        &[DiskAppeared],
    ));
    let one = |disk| DiskFacts {
        disks: vec![disk],
        problems: Vec::new(),
    };
    let renamed = (one(nameless("vda")), one(nameless("vdb")));
    rows.push(case(SectionKind::Disks, &renamed.0, &renamed.1, &[]));
    let by_serial = with(&disk(DiskKey::Serial("Z1".into()), "sda"), |d| {
        d.serial = some("Z1");
    });
    let by_wwn = with(&by_serial, |d| d.key = wwn("0x9"));
    rows.push(case(
        SectionKind::Disks,
        &one(by_serial),
        &one(by_wwn),
        &[DiskKeyChanged],
    ));
    rows
}

fn osd_rows() -> Vec<Case> {
    let base = OsdFacts {
        osds: vec![osd(1), osd(2)],
        problems: Vec::new(),
    };
    rows!(Osds, base, [
        |o| o.osds.push(osd(3)) => [OsdAppeared], [OsdVanished];
        |o| o.osds[0].fsid = some("new") => [OsdReplaced], [OsdReplaced];
        |o| o.osds[0].running = Some(false) => [OsdStopped], [OsdStarted];
        |o| o.osds[0].running = None => [], [];
        |o| o.osds[0].manager = OsdManager::Rook => [OsdManagerChanged], [OsdManagerChanged];
        |o| o.osds[0].cluster_fsid = None => [], [];
        |o| o.osds[0].cluster_fsid = some("b")
            => [OsdAppeared, OsdVanished], [OsdAppeared, OsdVanished];
    ])
}

fn link_rows() -> Vec<Case> {
    let bond = |up: &[&str]| {
        with(&interface("bond0", InterfaceKind::Bond), |i| {
            let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            i.bond = Some(BondFacts {
                mode: "802.3ad".into(),
                members: names(&["eth0", "eth1"]),
                members_up: names(up),
            });
        })
    };
    let base = NetworkFacts {
        interfaces: vec![card("eth0"), bond(&["eth0", "eth1"])],
        ..NetworkFacts::default()
    };
    rows!(Network, base, [
        |n| n.interfaces[0].carrier = Carrier::Down => [LinkDown], [LinkUp];
        |n| { n.interfaces[0].admin_up = false; n.interfaces[0].carrier = Carrier::Unknown; }
            => [LinkSetDown], [LinkSetUp];
        |n| n.interfaces[0].speed_mbps = Some(1000) => [LinkSpeedFell], [LinkSpeedRose];
        |n| n.interfaces[0].speed_mbps = None => [], [];
        |n| n.interfaces[0].duplex = Duplex::Half => [DuplexFell], [DuplexRestored];
        |n| n.interfaces[0].mtu = 9000 => [MtuChanged], [MtuChanged];
        |n| n.interfaces[1] = bond(&["eth0"]) => [BondLegLost], [BondLegReturned];
        |n| n.interfaces[1].bond.as_mut().expect("a bond").members.push("eth2".into())
            => [BondMembersChanged], [BondMembersChanged];
    ])
}

fn network_rows() -> Vec<Case> {
    let burnt = |name: &str, mac: &str| with(&card(name), |i| i.permanent_mac = some(mac));
    let route = |gateway: &str| Route {
        destination: "default".into(),
        gateway: some(gateway),
        interface: some("eth0"),
        metric: None,
    };
    let to = |switch: &str| vec![neighbour(switch, "Eth1/7")];
    let base = NetworkFacts {
        interfaces: vec![with(&burnt("eth0", "02:aa"), |i| i.lldp = to("leaf1"))],
        routes: vec![route("10.0.0.254")],
        problems: Vec::new(),
    };
    let first =
        |n: &mut NetworkFacts, change: &dyn Fn(&mut Interface)| change(&mut n.interfaces[0]);
    let veth = || interface("veth12", InterfaceKind::Veth);
    rows!(Network, base, [
        |n| n.interfaces.push(card("eth1")) => [InterfaceAppeared], [InterfaceVanished];
        |n| n.interfaces.push(veth()) => [], [];
        |n| first(n, &|i| i.name = "enp1s0".into()) => [InterfaceRenamed], [InterfaceRenamed];
        |n| first(n, &|i| i.permanent_mac = some("02:bb")) => [MacChanged], [MacChanged];
        |n| first(n, &|i| i.addresses.push("2001:db8::1/64".into()))
            => [AddressAdded], [AddressRemoved];
        |n| first(n, &|i| i.addresses.push("fe80::1/64".into())) => [], [];
        |n| first(n, &|i| i.lldp = to("leaf2")) => [LldpNeighbourChanged], [LldpNeighbourChanged];
        |n| first(n, &|i| i.lldp.clear()) => [LldpNeighbourLost], [];
        |n| n.routes.clear() => [DefaultRouteLost], [DefaultRouteChanged];
        |n| n.routes[0] = route("10.0.0.253") => [DefaultRouteChanged], [DefaultRouteChanged];
    ])
}

fn runtime_rows() -> Vec<Case> {
    let base = RuntimeFacts {
        endpoints: vec![endpoint("/run/containerd/containerd.sock")],
        kubelet: Some(kubelet()),
        problems: Vec::new(),
    };
    let k = |r: &mut RuntimeFacts, change: &dyn Fn(&mut h8lio_model::inventory::Kubelet)| {
        change(r.kubelet.as_mut().expect("a kubelet"));
    };
    rows!(Runtime, base, [
        |r| r.endpoints.push(endpoint("/run/crio/crio.sock")) => [RuntimeAppeared], [RuntimeVanished];
        |r| r.endpoints[0].version = some("2.0.0") => [RuntimeVersionChanged], [RuntimeVersionChanged];
        |r| r.endpoints[0].error = some("no answer in 2 s")
            => [RuntimeStoppedAnswering], [RuntimeAnswersAgain];
        |r| r.endpoints[0].conditions[0].status = false
            => [RuntimeConditionLost], [RuntimeConditionRestored];
        |r| r.kubelet = None => [KubeletVanished], [KubeletAppeared];
        |r| k(r, &|k| k.running = Some(false)) => [KubeletStopped], [KubeletStarted];
        |r| k(r, &|k| k.healthy = Some(false)) => [KubeletUnhealthy], [KubeletHealthy];
        |r| k(r, &|k| k.healthy = None) => [KubeletUnhealthy], [];
        |r| k(r, &|k| k.version = some("v1.32.0")) => [KubeletVersionChanged], [KubeletVersionChanged];
        |r| k(r, &|k| k.api_server = some("https://10.9.9.9:6443"))
            => [KubernetesClusterChanged], [KubernetesClusterChanged];
    ])
}

fn manager_rows() -> Vec<Case> {
    let base = ManagerFacts {
        modes: [("patching".to_owned(), DomainMode::Observe)].into(),
        ..ManagerFacts::default()
    };
    let other = || ForeignManager {
        domain: Domain::Patching,
        name: "unattended-upgrades".into(),
        evidence: vec!["/etc/apt/apt.conf.d/20auto-upgrades".into()],
    };
    rows!(Managers, base, [
        |m| m.managers.push(other()) => [ManagerAppeared], [ManagerVanished];
        |m| { m.modes.insert("patching".into(), DomainMode::Act); }
            => [DomainModeChanged], [DomainModeChanged];
    ])
}

fn condition_rows() -> Vec<Case> {
    let c = |status| condition(ConditionType::DiskFailing, "0x1", status);
    let mut rows = rows!(Conditions, vec![c(Status::False)], [
        |l| l[0].status = Status::True => [ConditionRaised], [ConditionCleared];
        |l| l[0].status = Status::Unknown => [ConditionUnknown], [ConditionCleared];
        |l| l.clear() => [], [];
    ]);
    rows.extend(rows!(Conditions, vec![c(Status::True)], [
        |l| l.clear() => [ConditionCleared], [ConditionRaised];
        |l| l[0].status = Status::Unknown => [ConditionUnknown], [ConditionRaised];
    ]));
    rows.push(Case {
        kind: SectionKind::Conditions,
        old: None,
        new: json(&vec![c(Status::True)]),
        reasons: vec![ConditionsAtFirstReport],
    });
    rows
}

fn any_section_rows() -> Vec<Case> {
    let many = (0..200).map(|n| disk(wwn(&format!("0x{n:04}")), &format!("sd{n}")));
    let many = DiskFacts {
        disks: many.collect(),
        problems: Vec::new(),
    };
    let mut shown = vec![DiskAppeared; 63];
    shown.push(FurtherChanges);
    vec![
        case(SectionKind::Disks, &DiskFacts::default(), &many, &shown),
        Case {
            kind: SectionKind::Os,
            old: Some(b"not json".to_vec()),
            new: json(&os()),
            reasons: vec![EarlierReportUnreadable],
        },
    ]
}

fn all() -> Vec<Case> {
    [
        hardware_rows(),
        os_rows(),
        package_rows(),
        disk_rows(),
        osd_rows(),
        link_rows(),
        network_rows(),
        runtime_rows(),
        manager_rows(),
        condition_rows(),
        any_section_rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_change_gives_exactly_its_events() {
    for Case {
        kind,
        old,
        new,
        reasons,
    } in all()
    {
        let events = diff(kind, old.as_deref(), &new).expect("the facts are well formed");
        let got: Vec<&str> = events.iter().map(|e| e.reason).collect();
        let want: Vec<&str> = reasons.iter().map(|r| r.as_str()).collect();
        let old = old.as_deref().map(String::from_utf8_lossy);
        assert_eq!(
            got,
            want,
            "{kind}: {events:#?}\nold {old:?}\nnew {}",
            String::from_utf8_lossy(&new)
        );
    }
}

#[test]
fn every_reason_is_given_by_some_change() {
    let given: Vec<Reason> = all().into_iter().flat_map(|c| c.reasons).collect();
    let never: Vec<_> = Reason::ALL.iter().filter(|r| !given.contains(r)).collect();
    assert!(never.is_empty(), "no row gives {never:?}");
}

#[test]
fn every_other_first_report_says_nothing() {
    for Case { kind, new, .. } in all() {
        if kind != SectionKind::Conditions {
            let events = diff(kind, None, &new).expect("the facts are well formed");
            assert_eq!(events, [], "{kind}");
        }
    }
}
