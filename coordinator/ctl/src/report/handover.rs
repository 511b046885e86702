//! What has to happen with a foreign manager before h8lio may act in its domain (design §4).

use h8lio_model::inventory::{Domain, ForeignManager};

/// The next move, one sentence.
pub(super) fn handover(m: &ForeignManager) -> String {
    let name = m.name.to_ascii_lowercase();
    match (m.domain, name.as_str()) {
        (Domain::Disks, "cephadm" | "rook") => format!(
            "nothing to hand over: {} keeps its OSDs, h8lio observes and gates them and does not act",
            m.name
        ),
        (Domain::Network, "systemd-networkd" | "networkd" | "netplan") => format!(
            "hand over in {} which interfaces h8lio may declare; it writes through {}",
            m.name, m.name
        ),
        (Domain::Runtime, "kubeadm" | "k3s" | "rke2") => format!(
            "{} keeps installing and upgrading the kubelet; agree who restarts it before `act`",
            m.name
        ),
        (Domain::Patching, "unattended-upgrades" | "apt-daily") => format!(
            "leave it on while h8lio observes; before `act`, disable {} so that only one of both patches",
            m.name
        ),
        (Domain::Watchdog, _) => format!(
            "let go of the watchdog device in {}: a watchdog has one owner",
            m.name
        ),
        (Domain::PublicIps, _) => format!(
            "take the public addresses out of {} before h8lio assigns them: an address has one owner",
            m.name
        ),
        (domain, _) => format!("stop {} from managing {domain} before `act`", m.name),
    }
}
