//! Traces that other managers leave on a server.

use std::collections::BTreeSet;

use h8lio_model::inventory::Problem;

/// Files, units, processes and packages that tell who manages what.
pub trait ManagersHost: Send + Sync {
    /// Dear (three host tools and a walk over `/proc`): meant for every few minutes.
    fn traces(&self) -> ManagerTraces;
}

/// Answer of [`ManagersHost::traces`]. `None` means that it could not be looked at; a problem
/// says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagerTraces {
    /// Those that exist, of [`PATHS`] and the entries of [`FOLDERS`].
    pub files: BTreeSet<String>,
    /// Content of `/etc/network/interfaces` and the files below `interfaces.d`, by path.
    pub interfaces_files: Vec<(String, Vec<u8>)>,
    /// Units of systemd that are loaded or enabled.
    pub units: Option<Vec<UnitTrace>>,
    /// Names of running processes (the kernel keeps 15 bytes of each).
    pub processes: Option<BTreeSet<String>>,
    /// Of [`PACKAGES`], those installed.
    pub packages: Option<BTreeSet<String>>,
    /// systemd's effective settings on the hardware watchdog; `None` also without systemd.
    pub watchdog: Option<WatchdogTrace>,
    /// Names of the processes that hold `/dev/watchdog*` open.
    pub watchdog_holders: Vec<String>,
    pub problems: Vec<Problem>,
}

/// One unit of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitTrace {
    pub name: String,
    /// Its active state is `active`, `activating` or `reloading`.
    pub active: bool,
    /// It starts by itself.
    pub enabled: bool,
}

/// What systemd itself does with the hardware watchdog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchdogTrace {
    /// systemd's `RuntimeWatchdogUSec`, as printed: `0` for off, `infinity` for the hardware's
    /// own time, or a time such as `30s`.
    pub runtime: String,
}

/// Files and folders looked for.
pub const PATHS: &[&str] = &[
    "/etc/apt/apt.conf.d/20auto-upgrades",
    "/var/lib/kubelet/kubeadm-flags.env",
    "/var/lib/rancher/k3s/agent",
    "/var/lib/rancher/rke2/agent",
    "/var/lib/rook",
    "/var/snap/microk8s/current",
];

/// Folders whose entries are listed.
pub const FOLDERS: &[&str] = &[
    "/etc/netplan",
    "/etc/systemd/network",
    "/run/systemd/network",
    "/etc/NetworkManager/system-connections",
    "/var/lib/ceph",
    "/var/lib/rook",
    "/var/log/pods",
    "/etc/cloud/cloud.cfg.d",
];

/// Packages asked about.
pub const PACKAGES: &[&str] = &[
    "bird",
    "bird2",
    "cephadm",
    "ceph-osd",
    "chef",
    "cloud-init",
    "docker-ce",
    "docker.io",
    "frr",
    "ifupdown",
    "ifupdown2",
    "keepalived",
    "kubeadm",
    "landscape-client",
    "netplan.io",
    "network-manager",
    "puppet",
    "puppet-agent",
    "salt-minion",
    "unattended-upgrades",
    "watchdog",
];
