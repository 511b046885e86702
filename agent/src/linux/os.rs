//! Operating system and clock, from files; the clock's state from the kernel itself. Only where
//! a sandbox forbids that question are `timedatectl` and `chronyc` asked.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use h8lio_model::inventory::Problem;
use jiff::Timestamp;
use procfs::{FromReadSI, KernelStats};

use super::exec::{self, Argv};
use super::ioctl;
use super::parsed::parsed_by;
use super::procs;
use super::root::{Root, not_understood, unreadable};
use crate::host::os::{OsHost, RawClock, RawOs};

const DEADLINE: Duration = Duration::from_secs(10);

/// Names (as in `/proc/<pid>/comm`, at most 15 characters) of daemons that keep the clock.
const KEEPERS: [&str; 6] = [
    "chronyd",
    "ntpd",
    "ntpsec",
    "openntpd",
    "ptp4l",
    "systemd-timesyn",
];

/// The kernel computes `btime` from the present wall clock, so slewing moves it by a second now
/// and then; a difference up to this is the same boot time.
const BTIME_WOBBLE: u64 = 2;

/// Reads the operating system below a root.
#[derive(Debug, Default)]
pub struct LinuxOs {
    root: Root,
    booted_at: Mutex<Option<i64>>,
}

impl LinuxOs {
    pub fn new(root: Root) -> Self {
        Self {
            root,
            booted_at: Mutex::default(),
        }
    }

    fn steady_boot_time(&self) -> Option<i64> {
        let mut known = self
            .booted_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let read = booted_at(&self.root)?;
        match *known {
            Some(kept) if kept.abs_diff(read) <= BTIME_WOBBLE => {}
            _ => *known = Some(read),
        }
        *known
    }

    /// `/etc/os-release` is usually a link to the other; each may be missing.
    fn os_release(&self) -> Result<String, Problem> {
        self.root
            .text("etc/os-release")
            .or_else(|_| self.root.text("usr/lib/os-release"))
            .map_err(|e| unreadable("/etc/os-release", &e))
    }
}

impl OsHost for LinuxOs {
    fn os(&self) -> RawOs {
        let root = &self.root;
        let mut problems = Vec::new();
        let os_release = self
            .os_release()
            .map_err(|problem| problems.push(problem))
            .ok();
        let boot_id = root
            .text("proc/sys/kernel/random/boot_id")
            .map_err(|e| problems.push(unreadable("/proc/sys/kernel/random/boot_id", &e)))
            .ok();
        RawOs {
            os_release,
            hostname: root.value("proc/sys/kernel/hostname"),
            kernel: root.value("proc/sys/kernel/osrelease"),
            boot_id,
            booted_at_seconds: self.steady_boot_time(),
            machine_id: root.value("etc/machine-id"),
            init: root.value("proc/1/comm"),
            command_line: root.value("proc/cmdline"),
            problems,
        }
    }

    fn clock(&self) -> RawClock {
        let daemons = keepers(&self.root);
        let timesyncd_touched =
            std::fs::metadata(self.root.join("run/systemd/timesync/synchronized"))
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| Timestamp::try_from(t).ok());
        let mut clock = RawClock {
            timesyncd_touched,
            daemons,
            ..RawClock::default()
        };
        if !self.root.is_real() {
            return clock;
        }
        ask(&mut clock, ioctl::clock_is_synchronized());
        clock
    }

    fn running(&self, names: &[&str]) -> Result<BTreeSet<String>, Problem> {
        let all = procs::names(&self.root.join("proc"));
        let mut all = all.map_err(|e| unreadable("running processes", &e))?;
        all.retain(|name| names.contains(&name.as_str()));
        Ok(all)
    }
}

/// Asks one after the other until somebody knows.
fn ask(clock: &mut RawClock, kernel: std::io::Result<bool>) {
    let kernel = kernel.map_err(|e| unreadable("adjtimex", &e));
    clock.kernel_synchronized = kept(kernel, &mut clock.problems);
    if clock.kernel_synchronized.is_some() {
        return;
    }
    clock.timedated_synchronized = kept(timedatectl(), &mut clock.problems);
    if clock.timedated_synchronized.is_none() && clock.daemons.iter().any(|d| d == "chronyd") {
        clock.chrony_synchronized = kept(chronyc(), &mut clock.problems);
    }
}

fn kept(said: Result<bool, Problem>, problems: &mut Vec<Problem>) -> Option<bool> {
    said.map_err(|problem| problems.push(problem)).ok()
}

fn booted_at(root: &Root) -> Option<i64> {
    let stat = parsed_by(root, "proc/stat", |bytes| {
        KernelStats::from_read(bytes, procfs::current_system_info())
    });
    stat.ok()?.btime.try_into().ok()
}

fn keepers(root: &Root) -> Vec<String> {
    let names = procs::names(&root.join("proc")).unwrap_or_default();
    let known = names.into_iter().filter(|n| KEEPERS.contains(&n.as_str()));
    known.collect()
}

/// The kernel's word, through systemd's daemon.
fn timedatectl() -> Result<bool, Problem> {
    let args = Argv::of(&["show", "--property=NTPSynchronized", "--value"]);
    let answer =
        exec::run("timedatectl", &args, &[], DEADLINE).map_err(|e| e.problem("timedatectl"))?;
    match (answer.code, answer.stdout.trim_ascii()) {
        (0, b"yes") => Ok(true),
        (0, b"no") => Ok(false),
        (0, _) => Err(not_understood(
            "timedatectl",
            "it says neither yes nor no to NTPSynchronized",
        )),
        (code, _) => Err(failed("timedatectl", code, &answer.stderr)),
    }
}

/// Leap status, the last of chronyc's comma-separated fields.
fn chronyc() -> Result<bool, Problem> {
    let args = Argv::of(&["-c", "-n", "tracking"]);
    let answer =
        exec::run("chronyc", &args, &[], DEADLINE).map_err(|e| e.problem("chronyc tracking"))?;
    if answer.code != 0 {
        return Err(failed("chronyc tracking", answer.code, &answer.stderr));
    }
    leap_status(&String::from_utf8_lossy(&answer.stdout))
        .ok_or_else(|| not_understood("chronyc tracking", "its answer has no known leap status"))
}

fn leap_status(csv: &str) -> Option<bool> {
    match csv.trim().rsplit(',').next()?.trim() {
        "Normal" | "Insert second" | "Delete second" => Some(true),
        "Not synchronised" => Some(false),
        _ => None,
    }
}

/// A tool that said no: its first line that speaks of no secret, made fit for one line.
pub(super) fn failed(what: &str, code: i32, stderr: &str) -> Problem {
    let first = stderr
        .lines()
        .map(str::trim)
        .find(|l| !l.is_empty() && !l.to_ascii_lowercase().contains("secret"));
    let said: String = first
        .unwrap_or("it gave no cause")
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    let lower = said.to_ascii_lowercase();
    let denied = lower.contains("permission denied") || lower.contains("not permitted");
    let reason = if denied { "NotPermitted" } else { "Failed" };
    Problem {
        what: what.to_owned(),
        reason: reason.to_owned(),
        message: format!("{what} ended with status {code}: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_running_processes_only_those_that_are_asked_for_are_named() {
        let root = tempfile::tempdir().expect("a folder");
        for (pid, name) in [("1", "systemd\n"), ("7", "etcd\n"), ("8", "etcdctl\n")] {
            let folder = root.path().join("proc").join(pid);
            std::fs::create_dir_all(&folder).expect("made");
            std::fs::write(folder.join("comm"), name).expect("written");
        }
        let os = LinuxOs::new(Root::at(root.path()));
        let running = os.running(&["etcd", "kubelet"]).expect("listed");
        assert_eq!(running, BTreeSet::from(["etcd".to_owned()]));
        let nowhere = LinuxOs::new(Root::at(root.path().join("none")));
        let problem = nowhere.running(&["etcd"]).expect_err("nothing to list");
        assert_eq!(problem.what, "running processes");
    }

    #[test]
    fn chronys_leap_status_is_understood_or_nothing() {
        let kept =
            "A29FC87B,162.159.200.123,3,1795342201.1,0.0,0.0,0.0,1.0,0.0,0.1,0.0,0.0,64.2,Normal\n";
        assert_eq!(leap_status(kept), Some(true));
        let lost = "7F7F0101,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n";
        assert_eq!(leap_status(lost), Some(false));
        assert_eq!(leap_status("506 Cannot talk to daemon\n"), None);
        assert_eq!(leap_status(""), None);
    }

    #[test]
    fn the_kernel_is_asked_first_and_tools_only_where_it_may_not_be_asked() {
        let mut clock = RawClock::default();
        ask(&mut clock, Ok(false));
        assert_eq!(clock.kernel_synchronized, Some(false));
        assert_eq!(clock.timedated_synchronized, None, "nobody else was asked");
        assert_eq!(clock.problems, []);

        let mut clock = RawClock::default();
        ask(&mut clock, Err(std::io::ErrorKind::PermissionDenied.into()));
        assert_eq!(clock.kernel_synchronized, None);
        let first = clock.problems.first().expect("the refusal is kept");
        assert_eq!((&*first.what, &*first.reason), ("adjtimex", "NotPermitted"));
    }

    #[test]
    fn a_refused_tool_is_told_apart_from_a_broken_one() {
        let problem = failed("lvs", 5, "\n  /dev/x: open failed: Permission denied\nmore");
        assert_eq!(problem.reason, "NotPermitted");
        assert!(!problem.message.contains('\n'));
        assert_eq!(failed("lvs", 5, "").reason, "Failed");
    }

    #[test]
    fn a_line_that_speaks_of_a_secret_is_not_repeated() {
        let problem = failed(
            "ceph-volume",
            1,
            "ceph.cephx_lockbox_secret=AQB\nno such device",
        );
        assert!(
            problem.message.ends_with("no such device"),
            "{}",
            problem.message
        );
    }
}
