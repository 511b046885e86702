//! Traces of other managers: files, `/proc`, the package database and systemd.

mod units;
mod watchdog;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use h8lio_model::inventory::Problem;

use super::exec::{self, Argv};
use super::{procs, refusal, unreadable};
use crate::host::managers::{FOLDERS, ManagerTraces, ManagersHost, PACKAGES, PATHS};

/// Longest wait for one host tool.
const DEADLINE: Duration = Duration::from_secs(20);

/// A file of `/etc/network` beyond this is not read: 1 MiB.
const INTERFACES_CAP: u64 = 1 << 20;

/// Entries of one folder beyond these are left out.
const MOST_ENTRIES: usize = 2000;

/// The real traces.
#[derive(Debug, Clone)]
pub struct LinuxManagers {
    root: PathBuf,
}

impl LinuxManagers {
    /// The server's traces.
    pub fn new() -> Self {
        Self {
            root: PathBuf::from("/"),
        }
    }
}

impl Default for LinuxManagers {
    fn default() -> Self {
        Self::new()
    }
}

impl ManagersHost for LinuxManagers {
    fn traces(&self) -> ManagerTraces {
        let mut traces = ManagerTraces::default();
        self.files(&mut traces);
        self.interfaces(&mut traces);
        self.packages(&mut traces);
        match procs::names(&self.root.join("proc")) {
            Ok(names) => traces.processes = Some(names),
            Err(e) => traces.problems.push(unreadable("processes", &e)),
        }
        if self.at("/run/systemd/system").is_dir() {
            traces.units = units::read(&mut traces.problems);
            traces.watchdog = watchdog::systemd(&mut traces.problems);
        } else {
            traces.problems.push(Problem {
                what: "systemd".to_owned(),
                reason: "ToolMissing".to_owned(),
                message: "it does not run here, so units and timers of other managers cannot be \
                          asked for"
                    .to_owned(),
            });
        }
        traces.watchdog_holders = watchdog::holders(&self.root, &mut traces.problems);
        traces
    }
}

impl LinuxManagers {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn files(&self, traces: &mut ManagerTraces) {
        for path in PATHS {
            match self.at(path).try_exists() {
                Ok(true) => {
                    traces.files.insert((*path).to_owned());
                }
                Ok(false) => {}
                Err(e) => traces.problems.push(unreadable(path, &e)),
            }
        }
        for folder in FOLDERS {
            match entries(&self.at(folder)) {
                Ok(names) => traces
                    .files
                    .extend(names.iter().map(|n| format!("{folder}/{n}"))),
                Err(e) => traces.problems.push(unreadable(folder, &e)),
            }
        }
    }

    fn interfaces(&self, traces: &mut ManagerTraces) {
        let folder = "/etc/network/interfaces.d";
        let mut paths = vec!["/etc/network/interfaces".to_owned()];
        match entries(&self.at(folder)) {
            Ok(names) => paths.extend(names.iter().map(|n| format!("{folder}/{n}"))),
            Err(e) => traces.problems.push(unreadable(folder, &e)),
        }
        for path in paths {
            match read_capped(&self.at(&path)) {
                Ok(Some(bytes)) => traces.interfaces_files.push((path, bytes)),
                Ok(None) => {}
                Err(e) => traces.problems.push(unreadable(&path, &e)),
            }
        }
    }

    /// dpkg-query ends with 1 when it does not know one of the names; what it knows is printed
    /// all the same.
    fn packages(&self, traces: &mut ManagerTraces) {
        let args = Argv::default()
            .value("--admindir=", self.at("/var/lib/dpkg"))
            .and(&["-W", "-f", "${db:Status-Abbrev}\\t${Package}\\n"])
            .and(PACKAGES);
        match exec::run("dpkg-query", &args, &[], DEADLINE) {
            Ok(answer) if answer.code <= 1 => match installed(&answer.stdout) {
                Some(names) => traces.packages = Some(names),
                None => traces.problems.push(Problem {
                    what: "dpkg-query".to_owned(),
                    reason: "NotUnderstood".to_owned(),
                    message: "its output is not a status and a name on each line".to_owned(),
                }),
            },
            Ok(answer) => traces.problems.push(refusal("dpkg-query", &answer)),
            Err(e) => traces.problems.push(e.problem("dpkg-query")),
        }
    }
}

/// Names of installed packages; `None` for output that is not understood.
fn installed(output: &[u8]) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for line in std::str::from_utf8(output).ok()?.lines() {
        let (status, name) = line.split_once('\t')?;
        match status.as_bytes().get(1)? {
            b'n' | b'c' => {}
            _ => {
                names.insert(name.to_owned());
            }
        }
    }
    Some(names)
}

/// Sorted names of a folder's entries; none where there is no folder.
fn entries(folder: &Path) -> io::Result<Vec<String>> {
    let listed = match fs::read_dir(folder) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other?,
    };
    let mut names = Vec::new();
    for entry in listed.take(MOST_ENTRIES) {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Content of a file that is not larger than the cap; `None` where there is none.
fn read_capped(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
        Ok(meta) if !meta.is_file() => Ok(None),
        Ok(meta) if meta.len() > INTERFACES_CAP => Err(io::Error::other("it is larger than 1 MiB")),
        Ok(_) => fs::read(path).map(Some),
    }
}

#[cfg(test)]
mod tests;
