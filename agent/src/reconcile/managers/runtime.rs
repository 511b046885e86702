//! Who else owns the container runtime and the kubelet.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    vec![
        manager(
            "kubeadm",
            [seen.paths(&["/var/lib/kubelet/kubeadm-flags.env"])],
        ),
        manager(
            "k3s",
            [
                seen.paths(&["/var/lib/rancher/k3s/agent"]),
                seen.units(&["k3s.service", "k3s-agent.service"]),
            ],
        ),
        manager(
            "rke2",
            [
                seen.paths(&["/var/lib/rancher/rke2/agent"]),
                seen.units(&["rke2-server.service", "rke2-agent.service"]),
            ],
        ),
        manager(
            "microk8s",
            [
                seen.paths(&["/var/snap/microk8s/current"]),
                seen.units_where(|u| u.starts_with("snap.microk8s.")),
            ],
        ),
        manager(
            "docker",
            [
                seen.units(&["docker.service"]),
                seen.processes(&["dockerd"]),
            ],
        ),
    ]
}
