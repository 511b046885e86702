//! What a changed package asks of the server, by class. The table stands in docs/patching.md too,
//! and a test compares the two.

use std::fmt;

use h8lio_model::kernel::is_booted;

/// Classes of packages, by what their change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Kernel,
    Microcode,
    Libc,
    Openssl,
    Systemd,
    Network,
    Runtime,
    Kubelet,
    Ceph,
    Etcd,
    Agent,
    Plain,
}

/// What has to be restarted for the change to be in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing that is ours to restart: the package's own scripts do it, or a reboot does.
    Nothing,
    /// Whatever still uses the replaced files, as far as it may be restarted at all.
    Users,
    /// This unit.
    Unit(&'static str),
}

/// Whether the change takes a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    Always,
    /// When process 1 still uses the replaced files, or the distribution says so.
    WhenSaid,
}

/// Whether the older version can be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The kernel before is still installed and boots.
    OldKernel,
    /// The archives of the older version are installed again.
    Archives,
    /// The newer one stays while the rest goes back: the one before may not know what it wrote down.
    Stays,
    /// Never: when it goes wrong, the rollout halts, the slot is kept and a person decides.
    ForwardOnly,
}

/// The strategy of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strategy {
    pub restart: Restart,
    pub reboot: Reboot,
    pub way: Way,
    /// Changed only when the order names it, never because another package asks for it.
    pub named_only: bool,
}

impl Class {
    pub const ALL: [Self; 12] = [
        Self::Kernel,
        Self::Microcode,
        Self::Libc,
        Self::Openssl,
        Self::Systemd,
        Self::Network,
        Self::Runtime,
        Self::Kubelet,
        Self::Ceph,
        Self::Etcd,
        Self::Agent,
        Self::Plain,
    ];

    /// The class of a package, by its name (an architecture behind a colon does not count).
    pub fn of(package: &str) -> Self {
        let name = package.split(':').next().unwrap_or(package);
        let begins = |with: &[&str]| with.iter().any(|w| name.starts_with(w));
        match name {
            "h8lio-agent" => Self::Agent,
            "intel-microcode" | "amd64-microcode" => Self::Microcode,
            "libc6" | "libc-bin" | "libc-l10n" | "locales" | "nscd" => Self::Libc,
            "openssl" => Self::Openssl,
            "udev" | "libudev1" | "dbus" | "dbus-daemon" | "init" => Self::Systemd,
            "ifupdown" | "ifupdown2" | "netplan.io" | "network-manager" | "ifenslave" => {
                Self::Network
            }
            "systemd-resolved" | "resolvconf" | "vlan" | "bridge-utils" | "frr" => Self::Network,
            "runc" | "cri-o" | "crun" | "docker.io" => Self::Runtime,
            _ if begins(&["kubelet", "kubeadm", "kubectl", "kubernetes-"]) => Self::Kubelet,
            _ if is_booted(name) => Self::Kernel,
            _ if begins(&["libc6-"]) => Self::Libc,
            _ if begins(&["libssl", "libcrypto"]) => Self::Openssl,
            _ if begins(&["systemd", "libsystemd", "libnss-systemd", "libpam-systemd"]) => {
                Self::Systemd
            }
            _ if begins(&["containerd", "docker-ce", "containernetworking-"]) => Self::Runtime,
            _ if begins(&[
                "ceph",
                "librados",
                "librbd",
                "libcephfs",
                "librgw",
                "python3-rados",
            ]) =>
            {
                Self::Ceph
            }
            _ if begins(&["etcd"]) => Self::Etcd,
            _ => Self::Plain,
        }
    }

    /// What a change of this class takes.
    pub const fn strategy(self) -> Strategy {
        let (restart, reboot, way, named_only) = match self {
            Self::Kernel => (Restart::Nothing, Reboot::Always, Way::OldKernel, false),
            Self::Microcode => (Restart::Nothing, Reboot::Always, Way::Archives, false),
            Self::Libc => (Restart::Nothing, Reboot::Always, Way::ForwardOnly, false),
            Self::Openssl => (Restart::Users, Reboot::WhenSaid, Way::Archives, false),
            Self::Systemd => (Restart::Nothing, Reboot::WhenSaid, Way::ForwardOnly, false),
            Self::Network => (Restart::Nothing, Reboot::WhenSaid, Way::Archives, false),
            Self::Runtime => (
                Restart::Unit("containerd.service"),
                Reboot::WhenSaid,
                Way::Archives,
                true,
            ),
            Self::Kubelet => (
                Restart::Unit("kubelet.service"),
                Reboot::WhenSaid,
                Way::Archives,
                true,
            ),
            Self::Ceph | Self::Etcd => (Restart::Nothing, Reboot::WhenSaid, Way::ForwardOnly, true),
            Self::Agent => (Restart::Nothing, Reboot::WhenSaid, Way::Stays, false),
            Self::Plain => (Restart::Users, Reboot::WhenSaid, Way::Archives, false),
        };
        Strategy {
            restart,
            reboot,
            way,
            named_only,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Microcode => "microcode",
            Self::Libc => "libc",
            Self::Openssl => "openssl",
            Self::Systemd => "systemd",
            Self::Network => "network",
            Self::Runtime => "container runtime",
            Self::Kubelet => "kubelet",
            Self::Ceph => "ceph",
            Self::Etcd => "etcd",
            Self::Agent => "agent",
            Self::Plain => "plain",
        })
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Users => f.write_str("what still uses the old files"),
            Self::Unit(unit) => write!(f, "`{unit}`"),
        }
    }
}

impl fmt::Display for Reboot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::WhenSaid => "when process 1 or the distribution says so",
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldKernel => "the old kernel",
            Self::Archives => "the old archives",
            Self::Stays => "none: it stays while the rest goes back",
            Self::ForwardOnly => "none: forward only",
        })
    }
}
