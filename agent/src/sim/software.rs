//! Packages, container runtime, kubelet and traces of other managers.

use std::fmt::Write as _;

use super::scenario::Upgrade;
use super::server::SimHost;
use super::state::State;
use crate::host::managers::{ManagerTraces, ManagersHost, UnitTrace};
use crate::host::packages::{
    PackagesFingerprint, PackagesHost, RawPackages, RawReboot, RawSentinel,
};
use crate::host::runtime::{
    CriAnswer, CriAnswerCondition, CriFault, KubeletHealth, RawCri, RawKubelet, RawRuntime,
    RuntimeHost, Secret,
};

impl PackagesHost for SimHost {
    fn fingerprint(&self) -> PackagesFingerprint {
        let state = self.read("packages");
        let changed = (i128::from(state.changes), 0);
        PackagesFingerprint {
            boot: state.boot_id.to_string(),
            files: vec![("/var/lib/dpkg/status".into(), Some(changed))],
        }
    }

    fn packages(&self) -> RawPackages {
        let state = self.read("packages");
        let p = &state.server.packages;
        let audit = p.broken.iter().fold(String::new(), |mut text, name| {
            let _ = writeln!(text, " {name}  a simulated package");
            text
        });
        let heading = "The following packages are only half configured, probably due to problems\n\
                       configuring them the first time.\n";
        let audit = if audit.is_empty() {
            String::new()
        } else {
            format!("{heading}{audit}")
        };
        RawPackages {
            manager: Some("apt".into()),
            installed: Some(installed(&state).into_bytes()),
            audit: Some(audit.into_bytes()),
            journal: Some(Vec::new()),
            busy: Vec::new(),
            upgrade: Some(simulation(&state).into_bytes()),
            index_updated_at: Some(state.booted_at),
            reboot: RawReboot {
                sentinel: Some(RawSentinel::default()),
                needrestart: Some(needrestart(&state).into_bytes()),
                init_maps: Some(INIT_MAPS.to_vec()),
                running_kernel: Some(state.server.os.kernel.clone()),
            },
            problems: Vec::new(),
        }
    }
}

const INIT_MAPS: &[u8] =
    b"55d0c0de0000-55d0c0df0000 r-xp 00000000 08:02 4242 /usr/lib/systemd/systemd\n";

/// `dpkg-query -W` in the format asked for.
fn installed(state: &State) -> String {
    let p = &state.server.packages;
    let mut text = String::new();
    let mut line = |status: &str, name: &str, version: &str| {
        let _ = writeln!(text, "{status}\t{name}\tamd64\t{version}");
    };
    for n in 1..=p.installed {
        line("ii ", &format!("libsim{n}"), "1.0-1");
    }
    for name in &p.held {
        line("hi ", name, "1.0-1");
    }
    for name in &p.broken {
        line("iF ", name, "1.0-1");
    }
    let made = &state.changes_made;
    let want = |name: &str| match made.held.contains(name) {
        true => "hi ",
        false => "ii ",
    };
    let whole = |u: &&Upgrade| !p.broken.contains(&u.name);
    for u in p.upgrade.iter().filter(whole) {
        line(want(&u.name), &u.name, state.version_of(u));
    }
    let mut kernels = made.kernels.clone();
    kernels.insert(state.server.os.kernel.clone());
    kernels.remove(&p.newest_kernel);
    for release in kernels {
        let name = format!("linux-image-{release}");
        let version = made.versions.get(&name);
        line(want(&name), &name, version.map_or("1.0-1", String::as_str));
    }
    if !p.newest_kernel.is_empty() {
        let name = format!("linux-image-{}", p.newest_kernel);
        let version = made.versions.get(&name);
        line(want(&name), &name, version.map_or("1.1-1", String::as_str));
    }
    line("ii ", "dpkg", "1.21.22");
    text
}

/// `apt-get --simulate dist-upgrade`.
fn simulation(state: &State) -> String {
    let upgrades = state.server.packages.upgrade.iter();
    let waits = upgrades.filter(|u| state.version_of(u) != u.candidate);
    let upgrades: Vec<_> = waits.collect();
    let mut text = "Reading package lists...\nBuilding dependency tree...\n".to_owned();
    let n = upgrades.len();
    let arriving = |u: &&Upgrade| state.changes_made.arriving(u);
    let new = upgrades.iter().filter_map(arriving).count();
    let _ = writeln!(
        text,
        "{n} upgraded, {new} newly installed, 0 to remove and 0 not upgraded."
    );
    for u in upgrades {
        let origin = if u.security {
            "Debian-Security:12/stable-security"
        } else {
            "Debian:12.12/stable"
        };
        if let Some((image, version)) = arriving(&u) {
            let _ = writeln!(text, "Inst {image} ({version} {origin} [amd64])");
        }
        let _ = writeln!(
            text,
            "Inst {} [{}] ({} {origin} [amd64])",
            u.name,
            state.version_of(u),
            u.candidate
        );
    }
    text
}

/// `needrestart -b -r l`.
fn needrestart(state: &State) -> String {
    let p = &state.server.packages;
    let running = &state.server.os.kernel;
    let (expected, status) = if p.newest_kernel.is_empty() {
        (running, 1)
    } else {
        (&p.newest_kernel, 3)
    };
    let mut text = format!(
        "NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: {running}\nNEEDRESTART-KEXP: {expected}\nNEEDRESTART-KSTA: {status}\n"
    );
    for unit in &p.restart {
        let _ = writeln!(text, "NEEDRESTART-SVC: {unit}");
    }
    text
}

impl RuntimeHost for SimHost {
    fn runtime(&self) -> RawRuntime {
        let state = self.read("runtime");
        let Some(r) = &state.server.runtime else {
            return RawRuntime::default();
        };
        let ready = |kind: &str| CriAnswerCondition {
            kind: kind.to_owned(),
            status: true,
            ..CriAnswerCondition::default()
        };
        let answer = if r.containerd_up {
            Ok(CriAnswer {
                api: "v1".into(),
                runtime: "containerd".into(),
                version: r.containerd.clone(),
                conditions: vec![ready("RuntimeReady"), ready("NetworkReady")],
            })
        } else {
            Err(CriFault::Refused)
        };
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sim\nclusters:\n- name: sim\n  cluster:\n    server: {}\ncontexts:\n- name: sim\n  context:\n    cluster: sim\n    user: sim\n",
            r.api_server
        );
        RawRuntime {
            endpoints: vec![RawCri {
                socket: "/run/containerd/containerd.sock".into(),
                answer,
            }],
            kubelet: RawKubelet {
                installed: true,
                process: Some(r.kubelet_up),
                health: if r.kubelet_up {
                    KubeletHealth::Answered {
                        status: 200,
                        body: "ok".into(),
                    }
                } else {
                    KubeletHealth::Refused
                },
                version: Some(format!("Kubernetes {}\n", r.kubelet).into_bytes()),
                kubeconfig: Some(Secret(kubeconfig.into_bytes())),
                marks: vec!["/var/lib/kubelet/kubeadm-flags.env".into()],
            },
            problems: Vec::new(),
        }
    }
}

impl ManagersHost for SimHost {
    fn traces(&self) -> ManagerTraces {
        let state = self.read("managers");
        let t = &state.server.traces;
        let unit = |name: String| UnitTrace {
            name,
            active: true,
            enabled: true,
        };
        let mut units: Vec<UnitTrace> = t.units.iter().cloned().map(unit).collect();
        let osds = state.server.disk.iter().filter_map(|d| d.osd);
        units.extend(osds.map(|id| unit(format!("ceph-osd@{id}.service"))));
        let mut files: Vec<String> = t.files.clone();
        let kubeadm = "/var/lib/kubelet/kubeadm-flags.env".to_owned();
        files.extend(state.server.runtime.as_ref().map(|_| kubeadm));
        ManagerTraces {
            files: files.into_iter().collect(),
            units: Some(units),
            processes: Some(t.processes.iter().cloned().collect()),
            packages: Some(t.packages.iter().cloned().collect()),
            ..ManagerTraces::default()
        }
    }
}
