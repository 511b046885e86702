//! How an operator takes a domain from another manager.

use h8lio_model::inventory::Domain;

/// The next move, as an imperative; `None` where h8lio observes and never takes over.
pub(super) fn next_move(domain: Domain, manager: &str) -> Option<&'static str> {
    Some(match (domain, manager) {
        (_, "unattended-upgrades") => {
            "disable apt-daily-upgrade.timer and remove unattended-upgrades"
        }
        (_, "dnf-automatic") => "disable its timer",
        (_, "kured") => "delete its DaemonSet",
        (_, "puppet" | "chef" | "salt-minion" | "landscape") => {
            "take packages and reboots out of its configuration, or stop it"
        }
        (_, "cephadm" | "rook") => return None,
        (_, "ceph packages") => "hand its OSDs over to h8lio",
        (_, "zfs") => "disable zfs-zed.service",
        (Domain::Network, _) => "declare this server's interfaces in h8lio and hand them over",
        (_, "kubeadm" | "k3s" | "rke2" | "microk8s" | "docker") => {
            "hand its restarts over to h8lio; upgrades stay with it"
        }
        (Domain::PublicIps, _) => "withdraw its addresses and stop it",
        (Domain::Watchdog, "systemd") => {
            "set RuntimeWatchdogSec=off in system.conf and run `systemctl daemon-reexec`"
        }
        (Domain::Watchdog, _) => "stop it",
        _ => "stop it or take the domain out of its configuration",
    })
}
