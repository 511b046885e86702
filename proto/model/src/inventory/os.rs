use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::ids::BootId;

/// Processes (`/proc/PID/comm`) that somebody has to be asked about before their server goes down.
pub const DAEMONS: [&str; 4] = ["ceph-mon", "ceph-osd", "etcd", "kubelet"];

/// Operating system, kernel and clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OsFacts {
    /// `ID` of os-release, for example `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release, for example `12`; testing and unstable have none.
    pub version: Option<String>,
    /// `PRETTY_NAME`.
    pub name: Option<String>,
    pub hostname: String,
    /// Release of the running kernel (`uname -r`).
    pub kernel: String,
    pub boot_id: Option<BootId>,
    /// When the server booted, to the second.
    pub booted_at: Option<Timestamp>,
    /// `/etc/machine-id`: a clone of a disk image shares it.
    pub machine_id: Option<String>,
    /// What runs as process 1, for example `systemd`.
    pub init: Option<String>,
    /// Kernel command line.
    pub command_line: Option<String>,
    pub clock: ClockSync,
    /// Names of the running processes that others depend on, of [`DAEMONS`]; `None`: they could not
    /// be looked at.
    pub daemons: Option<BTreeSet<String>>,
    /// Whether the kernel that runs now could be booted again after a newer one failed; `None`: it
    /// was not looked at.
    pub way_back: Option<WayBack>,
    pub problems: Vec<Problem>,
}

/// Whether the wall clock is kept right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClockSync {
    /// `None`: nobody could be asked.
    pub synchronized: Option<bool>,
    /// Who says so.
    pub source: Option<ClockSource>,
    /// The daemon found keeping it, for example `chrony` or `systemd-timesyncd`.
    pub daemon: Option<String>,
}

/// Who can say whether the clock is kept, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockSource {
    /// `adjtimex`: the largest possible error has not grown to its limit.
    Kernel,
    /// `timedatectl`, where the agent may not ask the kernel.
    Timedated,
    /// `chronyc tracking`.
    Chrony,
    /// The file that systemd-timesyncd touches.
    Timesyncd,
}

/// How the server would come back to the kernel that runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "how")]
pub enum WayBack {
    /// By a boot entry that stays the default until the new kernel has proved itself.
    Grub { entry: String },
    /// By the firmware's boot order; only the next boot goes elsewhere.
    Firmware,
    /// By a default of the boot loader's; the running kernel starts the other one itself, once.
    Kexec,
    /// There is none.
    No { why: String },
}
