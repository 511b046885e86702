//! Who feeds the hardware watchdog.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use h8lio_model::inventory::Problem;
use procfs::ProcError;
use procfs::process::FDTarget;

use crate::host::managers::WatchdogTrace;
use crate::linux::exec::{self, Argv};
use crate::linux::{procs, refusal, unreadable};

/// systemd's own setting, as it is in effect.
pub(super) fn systemd(problems: &mut Vec<Problem>) -> Option<WatchdogTrace> {
    let what = "systemctl show";
    let args = Argv::of(&["show", "--property=RuntimeWatchdogUSec"]);
    let answer = match exec::run("systemctl", &args, &[], super::DEADLINE) {
        Ok(answer) if answer.code == 0 => answer,
        Ok(answer) => {
            problems.push(refusal(what, &answer));
            return None;
        }
        Err(e) => {
            problems.push(e.problem(what));
            return None;
        }
    };
    let setting = setting(&answer.stdout);
    if setting.is_none() {
        problems.push(Problem {
            what: what.to_owned(),
            reason: "NotUnderstood".to_owned(),
            message: "it printed no RuntimeWatchdogUSec".to_owned(),
        });
    }
    setting
}

fn setting(output: &[u8]) -> Option<WatchdogTrace> {
    let text = std::str::from_utf8(output).ok()?;
    let runtime = text
        .lines()
        .find_map(|l| l.strip_prefix("RuntimeWatchdogUSec="))?;
    Some(WatchdogTrace {
        runtime: runtime.trim().to_owned(),
    })
}

/// Names of the processes that hold a watchdog device open. The walk over all open files is made
/// only while a watchdog is armed.
pub(super) fn holders(root: &Path, problems: &mut Vec<Problem>) -> Vec<String> {
    if !armed(&root.join("sys/class/watchdog")) {
        return Vec::new();
    }
    let mut holders = BTreeSet::new();
    let mut denied = false;
    for process in procs::all(&root.join("proc")).into_iter().flatten() {
        match process.fd() {
            Ok(files) => {
                if files.flatten().any(|f| is_watchdog(&f.target)) {
                    holders.extend(procs::name(&process));
                }
            }
            Err(ProcError::PermissionDenied(_)) => denied = true,
            // The process has ended.
            Err(_) => {}
        }
    }
    if denied && holders.is_empty() {
        let e = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        problems.push(unreadable("holder of the armed watchdog", &e));
    }
    holders.into_iter().collect()
}

/// Whether any watchdog counts down; one that does not say is taken as armed.
fn armed(class: &Path) -> bool {
    fs::read_dir(class)
        .into_iter()
        .flatten()
        .flatten()
        .any(|w| fs::read_to_string(w.path().join("state")).map_or(true, |s| s.trim() == "active"))
}

fn is_watchdog(open: &FDTarget) -> bool {
    matches!(open, FDTarget::Path(to) if to.to_string_lossy().starts_with("/dev/watchdog"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_setting_is_read_and_junk_is_none() {
        let got = setting(b"RuntimeWatchdogUSec=30s\n").expect("there");
        assert_eq!(got.runtime, "30s");
        assert_eq!(setting(b""), None);
        assert_eq!(setting(b"\xff"), None);
    }

    #[test]
    fn the_holder_of_an_armed_watchdog_is_named_and_an_unarmed_one_is_not_looked_for() {
        let root = tempfile::tempdir().expect("tempdir");
        let at = |p: &str| root.path().join(p);
        for folder in ["proc/7/fd", "proc/8/fd", "sys/class/watchdog/watchdog0"] {
            fs::create_dir_all(at(folder)).expect("made");
        }
        fs::write(at("proc/7/comm"), "wd_keepalive\n").expect("written");
        fs::write(at("proc/8/comm"), "sleep\n").expect("written");
        symlink("/dev/watchdog0", at("proc/7/fd/3")).expect("linked");
        symlink("/dev/null", at("proc/8/fd/3")).expect("linked");
        let state = at("sys/class/watchdog/watchdog0/state");
        let mut problems = Vec::new();
        fs::write(&state, "inactive\n").expect("written");
        assert!(holders(root.path(), &mut problems).is_empty());
        fs::write(&state, "active\n").expect("written");
        assert_eq!(holders(root.path(), &mut problems), ["wd_keepalive"]);
        assert_eq!(problems, []);
    }
}
