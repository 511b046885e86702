//! Who else configures interfaces.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    vec![
        ifupdown(seen),
        netplan(seen),
        networkd(seen),
        manager(
            "NetworkManager",
            [
                seen.units(&["NetworkManager.service"]),
                seen.processes(&["NetworkManager"]),
            ],
        ),
        cloud_init(seen),
    ]
}

/// Stanzas are left behind when the package goes, so they count only beside it (or where the
/// package database cannot be asked).
fn ifupdown(seen: &Seen<'_>) -> Manager {
    let packages = seen.packages(&["ifupdown", "ifupdown2"]);
    let mut stanzas = Vec::new();
    if !packages.is_empty() || !seen.knows_packages() {
        for (path, content) in &seen.0.interfaces_files {
            let text = String::from_utf8_lossy(content);
            stanzas.extend(
                text.lines()
                    .filter_map(stanza)
                    .map(|name| format!("{path}: iface {name}")),
            );
        }
    }
    manager("ifupdown", [stanzas])
}

/// Name in `iface NAME FAMILY METHOD`; the loopback is nobody's.
fn stanza(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("iface"), Some(name)) if name != "lo" => Some(name),
        _ => None,
    }
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml")
}

fn netplan(seen: &Seen<'_>) -> Manager {
    manager("netplan", [seen.entries("/etc/netplan", is_yaml)])
}

/// networkd that only carries out what netplan rendered is netplan's.
fn networkd(seen: &Seen<'_>) -> Manager {
    let name = "systemd-networkd";
    let own = |file: &str| {
        [".network", ".netdev"].iter().any(|e| file.ends_with(e)) && !file.contains("-netplan-")
    };
    let files = [
        seen.entries("/etc/systemd/network", own),
        seen.entries("/run/systemd/network", own),
    ]
    .concat();
    let units = seen.units(&["systemd-networkd.service"]);
    let processes = seen.processes(&["systemd-network"]);
    let is_running = !units.is_empty() || !processes.is_empty();
    if is_running && !files.is_empty() {
        manager(name, [units, processes, files])
    } else {
        manager(name, [])
    }
}

/// cloud-init writes network configuration at each boot of a new instance, unless told not to.
fn cloud_init(seen: &Seen<'_>) -> Manager {
    let name = "cloud-init";
    let written = |file: &str| file.starts_with("50-cloud-init");
    let mut files = seen.entries("/etc/netplan", written);
    files.extend(
        seen.0
            .interfaces_files
            .iter()
            .map(|(path, _)| path)
            .filter(|path| path.rsplit('/').next().is_some_and(written))
            .cloned(),
    );
    let is_there = !seen.packages(&[name]).is_empty() || !seen.knows_packages();
    let disabled = "99-disable-network-config.cfg";
    let is_disabled = !seen
        .entries("/etc/cloud/cloud.cfg.d", |n| n == disabled)
        .is_empty();
    if is_there && !is_disabled {
        manager(name, [files])
    } else {
        manager(name, [])
    }
}
