//! Operating system and clock.

use std::collections::BTreeSet;

use h8lio_model::inventory::Problem;
use jiff::Timestamp;

/// Reads the operating system.
pub trait OsHost {
    /// Cheap: a handful of small files.
    fn os(&self) -> RawOs;

    /// One system call and a walk over `/proc`; where the call is forbidden, `timedatectl` or
    /// `chronyc`. Every few minutes is enough.
    fn clock(&self) -> RawClock;

    /// Which of `names` (as in `/proc/<pid>/comm`) are running processes. A walk over `/proc`; every
    /// few minutes is enough.
    ///
    /// # Errors
    /// What kept them from being looked at.
    fn running(&self, names: &[&str]) -> Result<BTreeSet<String>, Problem>;
}

/// The files of the running system, unjudged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOs {
    /// Text of os-release.
    pub os_release: Option<String>,
    pub hostname: Option<String>,
    /// `uname -r`.
    pub kernel: Option<String>,
    /// Text of `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Option<String>,
    /// `btime` of `/proc/stat`, seconds since 1970.
    pub booted_at_seconds: Option<i64>,
    pub machine_id: Option<String>,
    /// Name of process 1.
    pub init: Option<String>,
    pub command_line: Option<String>,
    pub problems: Vec<Problem>,
}

/// Everything that could say whether the clock is kept. `None`: it could not be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawClock {
    /// The kernel's own answer (`adjtimex`).
    pub kernel_synchronized: Option<bool>,
    /// `NTPSynchronized` of timedated: the same, asked by a daemon that may.
    pub timedated_synchronized: Option<bool>,
    /// chrony's own word: its leap status is not `Not synchronised`.
    pub chrony_synchronized: Option<bool>,
    /// When timesyncd last touched `/run/systemd/timesync/synchronized`.
    pub timesyncd_touched: Option<Timestamp>,
    /// Names of running processes that keep clocks, sorted.
    pub daemons: Vec<String>,
    pub problems: Vec<Problem>,
}
