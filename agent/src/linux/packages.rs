//! Packages through dpkg-query, dpkg, apt-get and needrestart, all of them read only.
//!
//! * apt-get simulates, takes no lock (`Debug::NoLocking`) and writes no cache (both cache files
//!   are named empty).
//! * needrestart lists (`-r l` *and* `NEEDRESTART_MODE=l`: either alone can be overruled by a
//!   configuration file, and the automatic mode restarts services).
//! * The index is never refreshed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use h8lio_model::inventory::Problem;

use super::exec::{self, Argv};
use super::{procs, refusal, unreadable};
use crate::host::packages::{
    DPKG_FORMAT, PackagesFingerprint, PackagesHost, RawPackages, RawReboot, RawSentinel,
};

/// What the answer depends on, relative to the root folder.
const WATCHED: [&str; 12] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/updates",
    "var/lib/apt/lists",
    "var/lib/apt/periodic/update-success-stamp",
    "run/reboot-required",
    "run/reboot-required.pkgs",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/apt/preferences",
    "etc/apt/preferences.d",
    "etc/apt/apt.conf.d",
    "boot",
];

/// Package managers by process name. unattended-upgrades is not among them: its waiting half
/// runs all the time, and its working half is seen as dpkg.
const MANAGERS: [&str; 4] = ["apt", "apt-get", "aptitude", "dpkg"];

/// The real package manager.
#[derive(Debug, Clone)]
pub struct LinuxPackages {
    root: PathBuf,
}

impl LinuxPackages {
    /// The server's packages.
    pub fn new() -> Self {
        Self {
            root: PathBuf::from("/"),
        }
    }
}

impl Default for LinuxPackages {
    fn default() -> Self {
        Self::new()
    }
}

impl PackagesHost for LinuxPackages {
    fn fingerprint(&self) -> PackagesFingerprint {
        let boot = fs::read_to_string(self.root.join("proc/sys/kernel/random/boot_id"));
        PackagesFingerprint {
            boot: boot.map(|b| b.trim().to_owned()).unwrap_or_default(),
            files: WATCHED
                .iter()
                .map(|path| ((*path).to_owned(), stamp(&self.root.join(path))))
                .collect(),
        }
    }

    fn packages(&self) -> RawPackages {
        let mut raw = RawPackages::default();
        if exec::find("apt-get").is_some() && exec::find("dpkg-query").is_some() {
            raw.manager = Some("apt".to_owned());
            self.dpkg(&mut raw);
            self.apt(&mut raw);
        } else {
            raw.problems.push(no_manager());
        }
        raw.reboot = self.reboot(&mut raw.problems);
        raw
    }
}

impl LinuxPackages {
    /// As the server at `root`.
    pub(super) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn dpkg(&self, raw: &mut RawPackages) {
        match procs::names(&self.root.join("proc")) {
            Ok(names) => raw.busy = names.into_iter().filter(|n| is_manager(n)).collect(),
            Err(e) => raw.problems.push(unreadable("processes", &e)),
        }
        let folder = self.root.join("var/lib/dpkg");
        let below = |args: &[&'static str]| Argv::default().value("--admindir=", &folder).and(args);
        let minute = Duration::from_secs(60);
        let problems = &mut raw.problems;
        raw.installed = output(
            "dpkg-query",
            &below(&["-W", "-f", DPKG_FORMAT]),
            &[],
            minute,
            problems,
        );
        raw.audit = output("dpkg", &below(&["--audit"]), &[], minute, problems);
        match entries(&folder.join("updates")) {
            Ok(names) => raw.journal = Some(names),
            Err(e) => problems.push(unreadable("/var/lib/dpkg/updates", &e)),
        }
    }

    /// When apt's lists were fetched last.
    pub(super) fn index_updated_at(&self) -> Option<Timestamp> {
        [
            "var/lib/apt/lists",
            "var/lib/apt/periodic/update-success-stamp",
        ]
        .into_iter()
        .filter_map(|path| {
            let changed = fs::metadata(self.root.join(path)).ok()?.modified().ok()?;
            changed.try_into().ok()
        })
        .max()
    }

    fn apt(&self, raw: &mut RawPackages) {
        let lists = self.root.join("var/lib/apt/lists");
        let indexed = match entries(&lists) {
            Ok(names) => names.iter().any(|n| n.contains("_Packages")),
            Err(e) => {
                raw.problems.push(unreadable("/var/lib/apt/lists", &e));
                return;
            }
        };
        if !indexed {
            // A simulation without an index would say that nothing waits.
            raw.problems.push(Problem {
                what: "package index".to_owned(),
                reason: "Failed".to_owned(),
                message: "/var/lib/apt/lists holds no index; run `apt-get update`".to_owned(),
            });
            return;
        }
        raw.index_updated_at = self.index_updated_at();
        raw.upgrade = output(
            "apt-get",
            &Argv::of(&[
                "--simulate",
                "-o",
                "Debug::NoLocking=1",
                "-o",
                "Dir::Cache::pkgcache=",
                "-o",
                "Dir::Cache::srcpkgcache=",
                "-o",
                "APT::Get::Show-User-Simulation-Note=0",
                "dist-upgrade",
            ]),
            &[],
            Duration::from_secs(120),
            &mut raw.problems,
        );
    }

    fn reboot(&self, problems: &mut Vec<Problem>) -> RawReboot {
        let mut raw = RawReboot::default();
        match sentinel(&self.root) {
            Ok(sentinel) => raw.sentinel = Some(sentinel),
            Err(e) => problems.push(unreadable("/run/reboot-required", &e)),
        }
        match fs::read(self.root.join("proc/1/maps")) {
            Ok(maps) => raw.init_maps = Some(maps),
            Err(e) => problems.push(unreadable("/proc/1/maps", &e)),
        }
        match fs::read_to_string(self.root.join("proc/sys/kernel/osrelease")) {
            Ok(release) => raw.running_kernel = Some(release.trim().to_owned()),
            Err(e) => problems.push(unreadable("release of the running kernel", &e)),
        }
        raw.needrestart = output(
            "needrestart",
            &Argv::of(&["-b", "-r", "l"]),
            &[
                ("NEEDRESTART_MODE", "l"),
                ("DEBIAN_FRONTEND", "noninteractive"),
            ],
            Duration::from_secs(120),
            problems,
        );
        raw
    }
}

fn is_manager(name: &str) -> bool {
    MANAGERS.contains(&name)
}

fn no_manager() -> Problem {
    let found: Vec<_> = ["dnf", "yum", "zypper", "rpm", "apk", "pacman"]
        .into_iter()
        .filter(|tool| exec::find(tool).is_some())
        .collect();
    let found = match found.as_slice() {
        [] => "no other one was found".to_owned(),
        all => format!("found {}, which is not supported yet", all.join(", ")),
    };
    Problem {
        what: "package manager".to_owned(),
        reason: "ToolMissing".to_owned(),
        message: format!("apt-get and dpkg-query are not both there; {found}"),
    }
}

/// Standard output of a tool that ended well.
fn output(
    tool: &'static str,
    args: &Argv,
    env: &[(&'static str, &'static str)],
    deadline: Duration,
    problems: &mut Vec<Problem>,
) -> Option<Vec<u8>> {
    match exec::run(tool, args, env, deadline) {
        Ok(answer) if answer.code == 0 => return Some(answer.stdout),
        Ok(answer) => problems.push(refusal(tool, &answer)),
        Err(e) => problems.push(e.problem(tool)),
    }
    None
}

fn sentinel(root: &Path) -> io::Result<RawSentinel> {
    let present = root.join("run/reboot-required").try_exists()?;
    let packages = match fs::read(root.join("run/reboot-required.pkgs")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    Ok(RawSentinel { present, packages })
}

fn entries(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .map(|e| Ok(e?.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn stamp(path: &Path) -> Option<(i128, u64)> {
    let meta = fs::metadata(path).ok()?;
    let at = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    Some((at, meta.size()))
}

#[cfg(test)]
mod tests;
