//! Who holds the package manager's locks, asked of the kernel without taking one.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::host::patching::LockHolder;
use crate::linux::procs;

/// dpkg's two, and apt's for its index and its archives. apt's own waiting covers the first alone.
const FILES: [&str; 4] = [
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/lock",
    "var/lib/apt/lists/lock",
    "var/cache/apt/archives/lock",
];

/// How apt and dpkg say that somebody else has one. They are run in the language of this.
const SAID: [&str; 4] = [
    "E: Could not get lock ",
    "E: Unable to lock ",
    "frontend lock was locked by ",
    "database lock was locked by ",
];

/// The line that complains of a lock, and names who has it.
pub(super) fn complaint(stderr: &str) -> Option<String> {
    let is = |line: &&str| SAID.iter().any(|said| line.contains(said));
    stderr.lines().find(is).map(crate::words::plain)
}

/// The holders; a file that is not there is held by nobody.
pub(super) fn holders(root: &Path) -> io::Result<Vec<LockHolder>> {
    let mut found = Vec::new();
    for file in FILES {
        let path = root.join(file);
        let open = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let Some(pid) = holder(&open)? else {
            continue;
        };
        // 0 and -1 stand for a process in another namespace, and for one without a process.
        let pid = u32::try_from(pid).ok().filter(|p| *p > 0);
        let command = pid
            .and_then(|p| procs::one(Path::new("/proc"), p))
            .and_then(|p| procs::name(&p));
        found.push(LockHolder {
            file: format!("/{file}"),
            pid,
            command,
        });
    }
    Ok(found)
}

/// The process whose lock is in the way of a lock on the whole file.
fn holder(file: &File) -> io::Result<Option<i32>> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    let free = lock.l_type == libc::F_UNLCK as libc::c_short;
    Ok((!free).then_some(lock.l_pid))
}
