//! Fast-moving readings, from `/proc` and `statvfs`. Every tick pays for this file, so it reads
//! a dozen small files and starts nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use h8lio_model::inventory::{FilesystemUsage, InterfaceCounters, Pressure, Problem, Vitals};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::hardware::kib;
use super::root::{Root, not_understood, unreadable};
use crate::host::vitals::{RawVitals, VitalsHost};

/// Reads the vitals below a root.
#[derive(Debug, Clone)]
pub struct LinuxVitals {
    root: Root,
    mounts: Vec<PathBuf>,
}

impl LinuxVitals {
    /// `state_dir` is the agent's own; the file system below it is watched as well.
    pub fn new(root: Root, state_dir: PathBuf) -> Self {
        let fixed = ["/", "/boot", "/var"].map(PathBuf::from);
        let mounts = fixed.into_iter().chain([state_dir]).collect();
        Self { root, mounts }
    }
}

impl VitalsHost for LinuxVitals {
    fn vitals(&self) -> RawVitals {
        let mut problems = Vec::new();
        let mut first_number = |file: &str| {
            let text = self.root.text(file);
            let read = text
                .map_err(|e| unreadable(&format!("/{file}"), &e))
                .and_then(|t| {
                    let word = t.split_whitespace().next().and_then(|w| w.parse().ok());
                    word.filter(|n: &f64| n.is_finite() && *n >= 0.0)
                        .ok_or_else(|| {
                            not_understood(&format!("/{file}"), "it does not begin with a number")
                        })
                });
            read.unwrap_or_else(|problem| {
                problems.push(problem);
                0.0
            })
        };
        let (uptime, load1) = (first_number("proc/uptime"), first_number("proc/loadavg"));
        let available = available_memory(&self.root).unwrap_or_else(|problem| {
            problems.push(problem);
            0
        });
        let vitals = Vitals {
            uptime_seconds: uptime as u64,
            load1,
            memory_available_bytes: available,
            pressure: pressure(&self.root),
            filesystems: filesystems(&self.root, &self.mounts, &mut problems),
            disk_temperatures: BTreeMap::new(),
            clock_offset_ms: None,
            interfaces: interfaces(&self.root, &mut problems),
        };
        RawVitals { vitals, problems }
    }
}

fn available_memory(root: &Root) -> Result<u64, Problem> {
    let what = "/proc/meminfo";
    let text = root.text(what).map_err(|e| unreadable(what, &e))?;
    kib(&text, "MemAvailable:").ok_or_else(|| not_understood(what, "there is no line MemAvailable"))
}

/// Kernels without PSI, and those booted without `psi=1` where it is off by default, have none;
/// before 5.13 the `cpu` file has no `full` line.
fn pressure(root: &Root) -> BTreeMap<String, Pressure> {
    ["cpu", "memory", "io"]
        .into_iter()
        .filter_map(|name| {
            let text = root.text(format!("proc/pressure/{name}")).ok()?;
            let avg10 = |kind: &str| {
                let mut lines = text.lines().filter_map(|l| l.strip_prefix(kind));
                let mut words = lines.next()?.split_whitespace();
                let avg: f64 = words.find_map(|w| w.strip_prefix("avg10="))?.parse().ok()?;
                avg.is_finite().then_some(avg)
            };
            let pressure = Pressure {
                some_avg10: avg10("some ")?,
                full_avg10: avg10("full "),
            };
            Some((name.to_owned(), pressure))
        })
        .collect()
}

/// One entry per file system, under the first path that leads to it; a path that is not there is
/// no file system.
fn filesystems(
    root: &Root,
    mounts: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Vec<FilesystemUsage> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for mount in mounts {
        let path = root.join(mount);
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        if seen.contains(&metadata.dev()) {
            continue;
        }
        seen.push(metadata.dev());
        match usage(mount.to_string_lossy().into_owned(), &path) {
            Ok(usage) => found.push(usage),
            Err(e) => problems.push(unreadable(&format!("usage of {}", mount.display()), &e)),
        }
    }
    found
}

fn usage(mount: String, path: &std::path::Path) -> Result<FilesystemUsage, std::io::Error> {
    let s = statvfs(path)?;
    let block = s.fragment_size();
    let fixed_inodes = s.files() > 0;
    Ok(FilesystemUsage {
        mount,
        total_bytes: s.blocks().saturating_mul(block),
        available_bytes: s.blocks_available().saturating_mul(block),
        read_only: s.flags().contains(FsFlags::ST_RDONLY),
        inodes_total: fixed_inodes.then(|| s.files()),
        inodes_free: fixed_inodes.then(|| s.files_available()),
    })
}

/// Counters of real interfaces and bonds; the hundreds of veths of a Kubernetes node would only
/// make every report long.
fn interfaces(root: &Root, problems: &mut Vec<Problem>) -> BTreeMap<String, InterfaceCounters> {
    let text = match root.text("proc/net/dev") {
        Ok(text) => text,
        Err(e) => {
            problems.push(unreadable("/proc/net/dev", &e));
            return BTreeMap::new();
        }
    };
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, counters)| (name.trim(), counters))
        .filter(|(name, _)| {
            let has = |what| root.exists(format!("sys/class/net/{name}/{what}"));
            has("device") || has("bonding")
        })
        .filter_map(|(name, text)| Some((name.to_owned(), counters(text)?)))
        .collect()
}

/// Columns of `/proc/net/dev`: bytes packets errs drop fifo frame compressed multicast, for
/// received and then for sent.
fn counters(text: &str) -> Option<InterfaceCounters> {
    let n: Vec<u64> = text
        .split_whitespace()
        .map(|w| w.parse().ok())
        .collect::<Option<_>>()?;
    let at = |i: usize| n.get(i).copied();
    Some(InterfaceCounters {
        rx_bytes: at(0)?,
        rx_errors: at(2)?,
        rx_dropped: at(3)?,
        tx_bytes: at(8)?,
        tx_errors: at(10)?,
        tx_dropped: at(11)?,
    })
}
