//! Who else installs packages or reboots.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    let service = |name, unit: &str, process: &str| {
        manager(name, [seen.units(&[unit]), seen.processes(&[process])])
    };
    vec![
        unattended_upgrades(seen),
        manager(
            "dnf-automatic",
            [seen.units(&["dnf-automatic.timer", "dnf-automatic-install.timer"])],
        ),
        manager(
            "kured",
            [
                seen.processes(&["kured"]),
                seen.pods(|_, name| name == "kured" || name.starts_with("kured-")),
            ],
        ),
        service("puppet", "puppet.service", "puppet"),
        service("chef", "chef-client.service", "chef-client"),
        service("salt-minion", "salt-minion.service", "salt-minion"),
        service("landscape", "landscape-client.service", "landscape-clien"),
    ]
}

/// The timers alone only refresh the index: without the package nothing is installed, and with
/// the timers disabled or masked it never starts. Where systemd or the package database cannot be
/// asked, the other half is taken as a sign.
fn unattended_upgrades(seen: &Seen<'_>) -> Manager {
    let name = "unattended-upgrades";
    let package = seen.packages(&[name]);
    let timers = seen.units(&["apt-daily.timer", "apt-daily-upgrade.timer"]);
    let config = seen.paths(&["/etc/apt/apt.conf.d/20auto-upgrades"]);
    let has_package = !package.is_empty() || !seen.knows_packages() && !config.is_empty();
    let is_started =
        timers.iter().any(|t| t.starts_with("apt-daily-upgrade")) || !seen.knows_units();
    if has_package && is_started {
        manager(name, [package, timers, config])
    } else {
        manager(name, [])
    }
}
