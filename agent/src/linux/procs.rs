//! Running processes.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use procfs::ProcError;
use procfs::process::{Process, all_processes_with_root};

/// Longest file of a process that is read, bytes: a command line may be 2 MiB long.
const LONGEST: u64 = 2 << 20;

/// All processes and kernel threads below `proc` (`/proc`), one at a time: each holds a folder
/// open. Those that end meanwhile are left out.
///
/// # Errors
/// When the folder cannot be listed.
pub fn all(proc: &Path) -> io::Result<impl Iterator<Item = Process>> {
    let found = all_processes_with_root(proc).map_err(io_error)?;
    Ok(found.filter_map(Result::ok))
}

/// The process with this id, while there is one.
pub fn one(proc: &Path, pid: u32) -> Option<Process> {
    Process::new_with_root(proc.join(pid.to_string())).ok()
}

/// Its name, of which the kernel keeps 15 bytes; `None` once it has ended. `procfs` has it only
/// beside fifty numbers that nobody wants here.
pub fn name(process: &Process) -> Option<String> {
    let name = text(process, "comm")?;
    Some(name.trim_end_matches('\n').to_owned())
}

/// Its command line; a zombie has none. Not by `Process::cmdline`, for which one byte that is no
/// UTF-8 makes the whole line unreadable.
pub fn arguments(process: &Process) -> Option<Vec<String>> {
    let line = text(process, "cmdline")?;
    Some(line.split('\0').map(str::to_owned).collect())
}

fn text(process: &Process, file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let file = process.open_relative(file).ok()?;
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Names of all of them.
///
/// # Errors
/// As for [`all`].
pub fn names(proc: &Path) -> io::Result<BTreeSet<String>> {
    Ok(all(proc)?.filter_map(|p| name(&p)).collect())
}

/// The error of the system behind procfs's own.
pub fn io_error(e: ProcError) -> io::Error {
    match e {
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::Io(e, _) => e,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn hostile_names_are_only_names_and_vanished_processes_are_left_out() {
        let proc = tempfile::tempdir().expect("tempdir");
        for (pid, name) in [
            ("1", Some(&b"systemd\n"[..])),
            ("7", Some(b"$(reboot)\n\n")),
            ("9", Some(b"a\xff\n")),
            ("8", None),
        ] {
            fs::create_dir(proc.path().join(pid)).expect("made");
            if let Some(name) = name {
                fs::write(proc.path().join(pid).join("comm"), name).expect("written");
            }
        }
        fs::create_dir(proc.path().join("sys")).expect("made");
        let got = names(proc.path()).expect("listed");
        assert_eq!(
            got,
            BTreeSet::from(["$(reboot)", "a\u{fffd}", "systemd"].map(str::to_owned))
        );
        assert!(names(&proc.path().join("none")).is_err());
    }
}
