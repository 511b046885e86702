//! Who else feeds the hardware watchdog. It has one owner: a second one that stops feeding it
//! resets the server.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    let held_by = |names: &[&str]| -> Vec<String> {
        let holders = seen.0.watchdog_holders.iter();
        holders
            .filter(|h| names.contains(&h.as_str()))
            .map(|h| format!("process {h} holds /dev/watchdog"))
            .collect()
    };
    let setting = seen.0.watchdog.iter();
    let setting = setting
        .filter(|w| !matches!(w.runtime.as_str(), "" | "0" | "off"))
        .map(|w| format!("RuntimeWatchdogSec is {}", w.runtime))
        .collect();
    let daemons = ["watchdog", "wd_keepalive"];
    let others: Vec<_> = seen
        .0
        .watchdog_holders
        .iter()
        .filter(|h| !daemons.contains(&h.as_str()) && *h != "systemd")
        .map(|h| format!("process {h} holds /dev/watchdog"))
        .collect();
    vec![
        manager("systemd", [setting, held_by(&["systemd"])]),
        manager(
            "watchdog daemon",
            [
                seen.units(&["watchdog.service", "wd_keepalive.service"]),
                seen.processes(&daemons),
                held_by(&daemons),
            ],
        ),
        manager("another process", [others]),
    ]
}
