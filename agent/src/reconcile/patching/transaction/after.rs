//! What is restarted after a transaction, what is left as it is and why, and whether the server
//! has to be booted. needrestart only lists; what may be restarted is decided here.

use h8lio_model::inventory::{RebootReason, RebootRequired};

use super::class::{Class, Reboot, Restart};
use super::judge::Change;

/// What follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct After {
    /// Units to restart, in this order.
    pub restart: Vec<String>,
    /// Units that still use replaced files and are not restarted.
    pub left: Vec<Left>,
    /// Empty: no reboot.
    pub reboot: Vec<Why>,
}

/// A unit that is not restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub unit: String,
    pub why: &'static str,
}

/// A reason to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A package of this class was changed.
    Class(Class),
    /// The server says so.
    Said(RebootReason),
    /// Whether it has to could not be told, and a package that may ask for it was changed.
    Unknown,
}

/// Units that are never restarted beneath a running server: by the begin of their names.
const KEPT: [(&str, &str); 20] = [
    (
        "dbus",
        "everything that talks over it would lose its connection",
    ),
    ("systemd-", "its package restarts it where that is safe"),
    ("user@", "it holds a person's session"),
    ("session-", "it holds a person's session"),
    ("getty@", "it holds a person's session"),
    ("serial-getty@", "it holds a person's session"),
    ("display-manager", "it holds a person's session"),
    ("networking", "it would take the links down"),
    ("NetworkManager", "it could take the links down"),
    ("netplan-", "it could take the links down"),
    ("frr", "it would withdraw the routes of this server"),
    ("keepalived", "it would move public addresses"),
    (
        "ceph",
        "OSDs and monitors are stopped with Ceph's consent alone",
    ),
    ("etcd", "a member is restarted one at a time, by name"),
    (
        "kube",
        "it is restarted when its package is ordered by name",
    ),
    (
        "containerd",
        "it is restarted when its package is ordered by name",
    ),
    ("docker", "it would end the containers"),
    (
        "crio",
        "it is restarted when its package is ordered by name",
    ),
    ("libvirt", "it holds machines of others"),
    ("h8lio-", "it is restarted by its own package"),
];

/// Decides from what was changed, the units that needrestart lists, and what says "reboot".
pub fn after(changes: &[Change], listed: &[String], said: &RebootRequired) -> After {
    let mut out = After::default();
    for change in changes {
        let strategy = change.class.strategy();
        if let Restart::Unit(unit) = strategy.restart {
            push(&mut out.restart, unit);
        }
        if strategy.reboot == Reboot::Always {
            let why = Why::Class(change.class);
            if !out.reboot.contains(&why) {
                out.reboot.push(why);
            }
        }
    }
    out.reboot
        .extend(said.reasons.iter().cloned().map(Why::Said));
    if out.reboot.is_empty() && said.required.is_none() && !changes.is_empty() {
        out.reboot.push(Why::Unknown);
    }
    for unit in listed {
        let kept = KEPT.iter().find(|(begin, _)| unit.starts_with(begin));
        match kept {
            _ if out.restart.contains(unit) => {}
            // A reboot renews them all; restarting them first only adds an interruption.
            _ if !out.reboot.is_empty() => {}
            Some((_, why)) => out.left.push(Left {
                unit: unit.clone(),
                why,
            }),
            None => push(&mut out.restart, unit),
        }
    }
    if !out.reboot.is_empty() {
        out.restart.clear();
    }
    out
}

fn push(units: &mut Vec<String>, unit: &str) {
    if !units.iter().any(|u| u == unit) {
        units.push(unit.to_owned());
    }
}
