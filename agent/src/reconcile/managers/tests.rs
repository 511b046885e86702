use std::collections::BTreeSet;

use h8lio_model::condition::Condition;
use jiff::Timestamp;

use super::*;
use crate::host::managers::{UnitTrace, WatchdogTrace};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// A server of which everything could be read, and where nobody is.
fn nobody() -> ManagerTraces {
    ManagerTraces {
        units: Some(vec![]),
        processes: Some(set(&["systemd", "sshd", "watchdogd"])),
        packages: Some(set(&[])),
        watchdog: Some(WatchdogTrace {
            runtime: "0".into(),
        }),
        ..ManagerTraces::default()
    }
}

fn unit(name: &str, active: bool, enabled: bool) -> UnitTrace {
    UnitTrace {
        name: name.into(),
        active,
        enabled,
    }
}

fn found(traces: &ManagerTraces) -> Vec<(Domain, String)> {
    let facts = facts(traces, &BTreeMap::new());
    let all = facts.managers.into_iter();
    all.map(|m| {
        assert!(!m.evidence.is_empty(), "{} has no evidence", m.name);
        (m.domain, m.name)
    })
    .collect()
}

fn judged(traces: &ManagerTraces) -> Vec<Condition> {
    conditions(&facts(traces, &BTreeMap::new()), Timestamp::UNIX_EPOCH)
}

#[test]
fn a_server_without_traces_has_no_manager() {
    assert_eq!(found(&nobody()), []);
    assert_eq!(judged(&nobody()), []);
}

#[test]
fn each_kind_of_trace_alone_names_its_manager() {
    use Domain::{Disks, Network, Patching, PublicIps, Runtime, Watchdog};
    let fsid = "0a1b2c3d-0000-4000-8000-00000000000f";
    let file = |path: &str| ManagerTraces {
        files: set(&[path]),
        ..nobody()
    };
    let process = |name: &str| ManagerTraces {
        processes: Some(set(&[name])),
        ..nobody()
    };
    let active = |name: &str| ManagerTraces {
        units: Some(vec![unit(name, true, false)]),
        ..nobody()
    };
    let enabled = |name: &str| ManagerTraces {
        units: Some(vec![unit(name, false, true)]),
        ..nobody()
    };
    let pod = |name: &str| file(&format!("/var/log/pods/{name}"));
    let cases = [
        (process("kured"), Patching, "kured"),
        (pod("kube-system_kured-x7z_1-2"), Patching, "kured"),
        (enabled("puppet.service"), Patching, "puppet"),
        (active("salt-minion.service"), Patching, "salt-minion"),
        (active("chef-client.service"), Patching, "chef"),
        (process("landscape-clien"), Patching, "landscape"),
        (file(&format!("/var/lib/ceph/{fsid}")), Disks, "cephadm"),
        (
            active(&format!("ceph-{fsid}@osd.3.service")),
            Disks,
            "cephadm",
        ),
        (file("/var/lib/rook/rook-ceph"), Disks, "rook"),
        (active("ceph-osd@12.service"), Disks, "ceph packages"),
        (file("/etc/netplan/01-x.yaml"), Network, "netplan"),
        (active("NetworkManager.service"), Network, "NetworkManager"),
        (
            file("/var/lib/kubelet/kubeadm-flags.env"),
            Runtime,
            "kubeadm",
        ),
        (active("k3s-agent.service"), Runtime, "k3s"),
        (file("/var/lib/rancher/rke2/agent"), Runtime, "rke2"),
        (file("/var/snap/microk8s/current"), Runtime, "microk8s"),
        (process("dockerd"), Runtime, "docker"),
        (pod("metallb-system_speaker-a_1"), PublicIps, "MetalLB"),
        (pod("kube-system_kube-vip-s1_1"), PublicIps, "kube-vip"),
        (enabled("keepalived.service"), PublicIps, "keepalived"),
        (process("bird"), PublicIps, "BIRD"),
        (active("frr.service"), PublicIps, "FRR"),
        (process("wd_keepalive"), Watchdog, "watchdog daemon"),
        (active("watchdog.service"), Watchdog, "watchdog daemon"),
    ];
    for (traces, domain, name) in cases {
        assert_eq!(found(&traces), [(domain, name.to_owned())]);
        let got = judged(&traces);
        assert_eq!(got[0].subject, domain.as_str());
        assert!(got[0].message.contains(name), "{}", got[0].message);
    }
}

#[test]
fn names_that_only_look_alike_are_nobody() {
    let traces = ManagerTraces {
        files: set(&[
            "/var/lib/ceph/osd",
            "/etc/netplan/README",
            "/etc/systemd/network/99-default.link",
            "/var/log/pods/kured",
            "/var/log/pods/default_my-kured_1",
        ]),
        units: Some(vec![
            unit("ceph-osd@$(reboot).service", true, true),
            unit("ceph-x@osd.1.service", true, true),
            unit("puppet.service.d", true, true),
            unit("keepalived.service", false, false),
        ]),
        processes: Some(set(&["kured\n", "speaker", "watchdog/0", "$(reboot)"])),
        ..nobody()
    };
    assert_eq!(found(&traces), []);
}

#[test]
fn unattended_upgrades_needs_its_package_and_a_timer_that_starts_it() {
    let timers = || {
        Some(vec![
            unit("apt-daily-upgrade.timer", true, true),
            unit("apt-daily.timer", true, true),
        ])
    };
    let with = |packages, units| ManagerTraces {
        packages,
        units,
        files: set(&["/etc/apt/apt.conf.d/20auto-upgrades"]),
        ..nobody()
    };
    let package = || Some(set(&["unattended-upgrades"]));
    let there = [(Domain::Patching, "unattended-upgrades".to_owned())];
    assert_eq!(found(&with(package(), timers())), there);
    assert_eq!(found(&with(package(), Some(vec![]))), []);
    assert_eq!(found(&with(Some(set(&[])), timers())), []);
    // What cannot be asked counts against h8lio.
    assert_eq!(found(&with(package(), None)), there);
    assert_eq!(found(&with(None, timers())), there);
    assert_eq!(found(&with(None, None)), there);
    let message = &judged(&with(package(), timers()))[0].message;
    assert!(message.contains("package unattended-upgrades"), "{message}");
    assert!(
        message.contains("disable apt-daily-upgrade.timer"),
        "{message}"
    );
}

#[test]
fn ifupdown_counts_with_its_package_and_a_stanza_other_than_the_loopback() {
    let with = |text: &str, packages: &[&str]| ManagerTraces {
        interfaces_files: vec![("/etc/network/interfaces".into(), text.into())],
        packages: Some(set(packages)),
        ..nobody()
    };
    let lo = "auto lo\niface lo inet loopback\n# iface eth9 inet dhcp\n";
    assert_eq!(found(&with(lo, &["ifupdown"])), []);
    let eth = format!("{lo}  iface eth0 inet dhcp\n");
    assert_eq!(found(&with(&eth, &[])), []);
    let traces = with(&eth, &["ifupdown"]);
    assert_eq!(found(&traces), [(Domain::Network, "ifupdown".to_owned())]);
    let message = &judged(&traces)[0].message;
    assert!(
        message.contains("/etc/network/interfaces: iface eth0"),
        "{message}"
    );
    let junk = ManagerTraces {
        interfaces_files: vec![("x".into(), vec![0xff, 0xfe, 0])],
        ..with("", &["ifupdown"])
    };
    assert_eq!(found(&junk), []);
}

#[test]
fn networkd_is_netplans_when_it_only_carries_out_what_netplan_rendered() {
    let with = |files: &[&str]| ManagerTraces {
        files: set(files),
        units: Some(vec![unit("systemd-networkd.service", true, true)]),
        packages: Some(set(&["cloud-init"])),
        ..nobody()
    };
    let rendered = "/run/systemd/network/10-netplan-eth0.network";
    let yaml = "/etc/netplan/50-cloud-init.yaml";
    let name = |n: &str| (Domain::Network, n.to_owned());
    assert_eq!(
        found(&with(&[rendered, yaml])),
        [name("cloud-init"), name("netplan")]
    );
    let disabled = "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg";
    assert_eq!(found(&with(&[rendered, yaml, disabled])), [name("netplan")]);
    let own = "/etc/systemd/network/10-eth0.network";
    assert_eq!(found(&with(&[own])), [name("systemd-networkd")]);
    assert_eq!(found(&with(&[])), []);
}

#[test]
fn the_watchdogs_holder_is_named_even_if_nobody_knows_it() {
    let name = |n: &str| vec![(Domain::Watchdog, n.to_owned())];
    let mut traces = nobody();
    traces.watchdog_holders = vec!["sbd".into()];
    assert_eq!(found(&traces), name("another process"));
    assert!(judged(&traces)[0].message.contains("sbd"));
    for (setting, want) in [
        ("0", vec![]),
        ("30s", name("systemd")),
        ("infinity", name("systemd")),
    ] {
        let mut traces = nobody();
        traces.watchdog = Some(WatchdogTrace {
            runtime: setting.into(),
        });
        assert_eq!(found(&traces), want, "{setting}");
    }
}

#[test]
fn one_condition_names_all_managers_of_a_domain_on_one_line() {
    let traces = ManagerTraces {
        files: set(&["/etc/netplan/a\n$(reboot).yaml"]),
        processes: Some(set(&["NetworkManager"])),
        ..nobody()
    };
    let got = judged(&traces);
    assert_eq!(got.len(), 1);
    let message = &got[0].message;
    assert!(
        message.contains("NetworkManager") && message.contains("netplan"),
        "{message}"
    );
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn cephadm_is_observed_and_never_taken_over() {
    let traces = ManagerTraces {
        files: set(&["/var/lib/rook/rook-ceph"]),
        ..nobody()
    };
    let message = &judged(&traces)[0].message;
    assert!(
        message.ends_with("h8lio observes and never acts there"),
        "{message}"
    );
}

#[test]
fn modes_and_problems_are_carried_over() {
    let mut traces = nobody();
    traces.problems.push(h8lio_model::inventory::Problem {
        what: "systemd".into(),
        reason: "ToolMissing".into(),
        message: String::new(),
    });
    let modes = BTreeMap::from([(Domain::Patching, DomainMode::Act)]);
    let got = facts(&traces, &modes);
    assert_eq!(got.modes["patching"], DomainMode::Act);
    assert_eq!(got.problems.len(), 1);
}

#[test]
fn acting_needs_the_owners_leave_nobody_else_and_every_trace() {
    let domain = Domain::Patching;
    let act = BTreeMap::from([(domain, DomainMode::Act)]);
    let mut traces = nobody();
    assert_eq!(refusal(&facts(&traces, &act), domain), None);
    let observed = refusal(&facts(&traces, &BTreeMap::new()), domain);
    let mode = DomainMode::Observe;
    assert_eq!(observed, Some(Refusal::Mode { domain, mode }));
    traces.problems.push(h8lio_model::inventory::Problem {
        what: "systemctl list-units".into(),
        reason: "TimedOut".into(),
        message: String::new(),
    });
    let got = refusal(&facts(&traces, &act), domain).expect("refused");
    assert_eq!(
        got.to_string(),
        "it cannot be told who manages patching: systemctl list-units could not be read"
    );
    traces.processes = Some(set(&["kured", "dockerd"]));
    let managers = vec!["kured".to_owned()];
    let got = refusal(&facts(&traces, &act), domain);
    assert_eq!(got, Some(Refusal::ForeignManager { domain, managers }));
}
