//! Fast-moving readings, from `/proc` and `statvfs`. Every tick pays for this file, so it reads
//! a dozen small files and starts nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use h8lio_model::inventory::{FilesystemUsage, InterfaceCounters, Pressure, Problem, Vitals};
use nix::sys::statvfs::{FsFlags, statvfs};
use procfs::net::InterfaceDeviceStatus;
use procfs::process::MountInfo;
use procfs::{FromRead, LoadAverage, Meminfo, Uptime};

use super::parsed::parsed;
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
        let root = &self.root;
        let mut problems = Vec::new();
        let uptime =
            parsed::<Uptime>(root, "proc/uptime").and_then(|u| sensible(u.uptime, "/proc/uptime"));
        let load1 = parsed::<LoadAverage>(root, "proc/loadavg")
            .and_then(|l| sensible(hundredths(l.one), "/proc/loadavg"));
        let vitals = Vitals {
            uptime_seconds: noted(uptime, &mut problems) as u64,
            load1: noted(load1, &mut problems),
            memory_available_bytes: noted(available_memory(root), &mut problems),
            pressure: pressure(&self.root),
            filesystems: filesystems(&self.root, &self.mounts, &mut problems),
            disk_temperatures: BTreeMap::new(),
            temperatures: BTreeMap::new(),
            clock_offset_ms: None,
            interfaces: interfaces(&self.root, &mut problems),
        };
        RawVitals { vitals, problems }
    }

    fn sensors(&self) -> BTreeMap<String, i32> {
        // sysinfo reads `/sys/class/hwmon` of the server itself and no other tree.
        if !self.root.is_real() {
            return BTreeMap::new();
        }
        // A new list each time: one that is kept mixes the hottest with the hottest ever.
        let Ok(all) = sysinfo::Components::new_with_refreshed_list() else {
            // Only on systems that sysinfo does not know at all.
            return BTreeMap::new();
        };
        hottest(all.iter().map(|c| (c.label(), c.max().or(c.temperature()))))
    }
}

/// sysinfo makes one of all sensors with one label (core 0 of each socket, equal drives); its
/// highest value is that of the hottest. Drives are left out: their own record of a lifetime
/// stands there as the highest, and their temperatures come from SMART.
fn hottest<'a>(sensors: impl Iterator<Item = (&'a str, Option<f32>)>) -> BTreeMap<String, i32> {
    sensors
        .filter(|(label, _)| !label.starts_with("drivetemp"))
        .filter_map(|(label, degrees)| {
            // Beyond these a sensor is not connected.
            let degrees = degrees.filter(|d| (-40.0..=150.0).contains(d))?;
            Some((crate::words::plain(label), degrees.round() as i32))
        })
        .collect()
}

/// A reading, or nothing and the problem kept.
fn noted<T: Default>(read: Result<T, Problem>, problems: &mut Vec<Problem>) -> T {
    read.unwrap_or_else(|problem| {
        problems.push(problem);
        T::default()
    })
}

fn sensible(number: f64, what: &str) -> Result<f64, Problem> {
    (number.is_finite() && number >= 0.0)
        .then_some(number)
        .ok_or_else(|| not_understood(what, "it does not begin with a number"))
}

/// procfs keeps these as `f32`; the kernel prints two decimals, and so should a report.
fn hundredths(number: f32) -> f64 {
    (f64::from(number) * 100.0).round() / 100.0
}

fn available_memory(root: &Root) -> Result<u64, Problem> {
    let available = parsed::<Meminfo>(root, "proc/meminfo")?.mem_available;
    available.ok_or_else(|| not_understood("/proc/meminfo", "there is no line MemAvailable"))
}

/// Kernels without PSI, and those booted without `psi=1` where it is off by default, have none;
/// before 5.13 the `cpu` file has no `full` line, without which procfs reads none of it: so it is
/// given line by line.
fn pressure(root: &Root) -> BTreeMap<String, Pressure> {
    ["cpu", "memory", "io"]
        .into_iter()
        .filter_map(|name| {
            let text = root.text(format!("proc/pressure/{name}")).ok()?;
            let avg10 = |kind: &str| {
                let line = text.lines().find(|l| l.starts_with(kind))?;
                let avg = procfs::parse_pressure_record(line).ok()?.avg10;
                avg.is_finite().then(|| hundredths(avg))
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
    let writing = Writing::read(root);
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
            Ok(own) => {
                let read_only = writing.is_read_only(mount).unwrap_or(own.read_only);
                found.push(FilesystemUsage { read_only, ..own });
            }
            Err(e) => problems.push(unreadable(&format!("usage of {}", mount.display()), &e)),
        }
    }
    found
}

/// What process 1 may write to: the agent's own unit gives it a read-only view of most.
struct Writing(Vec<(PathBuf, bool)>);

impl Writing {
    fn read(root: &Root) -> Self {
        let text = root.text("proc/1/mountinfo").unwrap_or_default();
        let mounts = text.lines().filter_map(|line| {
            let mount = MountInfo::from_line(line).ok()?;
            let read_only =
                mount.mount_options.contains_key("ro") || mount.super_options.contains_key("ro");
            Some((mount.mount_point, read_only))
        });
        Self(mounts.collect())
    }

    /// `None` when that is not known.
    fn is_read_only(&self, path: &Path) -> Option<bool> {
        let above = self.0.iter().filter(|(at, _)| path.starts_with(at));
        // Of mounts at one place the last covers the others.
        let nearest = above.max_by_key(|(at, _)| at.components().count());
        nearest.map(|(_, read_only)| *read_only)
    }
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
        .filter_map(|line| Some((line.split_once(':')?.0.trim(), line)))
        .filter(|(name, _)| {
            let has = |what| root.exists(format!("sys/class/net/{name}/{what}"));
            has("device") || has("bonding")
        })
        .filter_map(|(name, line)| Some((name.to_owned(), counters(line)?)))
        .collect()
}

/// One line of `/proc/net/dev`, given to procfs alone and below two empty ones for the heading:
/// a name that it does not understand then hides no other interface.
fn counters(line: &str) -> Option<InterfaceCounters> {
    let file = format!("\n\n{line}\n");
    let found = InterfaceDeviceStatus::from_read(file.as_bytes()).ok()?;
    let all = found.0.into_values().next()?;
    Some(InterfaceCounters {
        rx_bytes: all.recv_bytes,
        rx_errors: all.recv_errs,
        rx_dropped: all.recv_drop,
        tx_bytes: all.sent_bytes,
        tx_errors: all.sent_errs,
        tx_dropped: all.sent_drop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_read_only_when_it_is_for_process_1() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("proc/1")).expect("made");
        let lines = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
                     30 22 8:2 / /var rw,relatime shared:2 - ext4 /dev/sda2 ro,errors=remount-ro\n\
                     31 22 8:3 / /srv ro,relatime shared:3 - ext4 /dev/sda3 rw\n\
                     32 31 8:4 / /srv rw,relatime shared:4 - ext4 /dev/sda4 rw\n";
        std::fs::write(dir.path().join("proc/1/mountinfo"), lines).expect("written");
        let writing = Writing::read(&Root::at(dir.path()));
        for (path, read_only) in [("/", false), ("/var/lib/x", true), ("/srv", false)] {
            assert_eq!(
                writing.is_read_only(Path::new(path)),
                Some(read_only),
                "{path}"
            );
        }
        let empty = tempfile::tempdir().expect("a folder");
        let unknown = Writing::read(&Root::at(empty.path()));
        assert_eq!(unknown.is_read_only(Path::new("/")), None);
    }

    #[test]
    fn sensors_that_are_not_connected_and_those_of_drives_are_left_out() {
        let said = [
            ("coretemp Core 0", Some(61.6)),
            ("nct6775 AUXTIN1", Some(-128.0)),
            ("acpitz temp1", Some(f32::NAN)),
            ("mlx5 asic\u{1b}[31m", Some(55.0)),
            ("drivetemp WDC", Some(71.0)),
            ("k10temp Tctl", None),
        ];
        let kept = hottest(said.into_iter());
        let want = [("coretemp Core 0", 62), ("mlx5 asic\\u{1b}[31m", 55)];
        assert_eq!(kept, want.map(|(n, d)| (n.to_owned(), d)).into());
    }
}
