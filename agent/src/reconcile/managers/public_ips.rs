//! Who else announces addresses.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    vec![
        manager(
            "MetalLB",
            [seen.pods(|namespace, name| {
                // The process is called `speaker`, which says too little by itself.
                name.contains("metallb") || namespace.contains("metallb")
            })],
        ),
        manager(
            "kube-vip",
            [
                seen.processes(&["kube-vip"]),
                seen.pods(|_, name| name.starts_with("kube-vip")),
            ],
        ),
        manager(
            "keepalived",
            [
                seen.units(&["keepalived.service"]),
                seen.processes(&["keepalived"]),
            ],
        ),
        manager(
            "pacemaker",
            [
                seen.units(&["pacemaker.service"]),
                seen.processes(&["pacemakerd"]),
            ],
        ),
        manager(
            "BIRD",
            [
                seen.units(&["bird.service", "bird6.service", "bird2.service"]),
                seen.processes(&["bird", "bird6"]),
            ],
        ),
        manager(
            "FRR",
            [
                seen.units(&["frr.service"]),
                seen.processes(&["bgpd", "watchfrr", "zebra"]),
            ],
        ),
    ]
}
