//! Drives: the kernel's view from `/sys/block` and its log, signatures from `lsblk`, health from
//! `smartctl`.

mod kmsg;
pub(crate) mod lsblk;
mod mounts;
mod smartctl;
mod sysfs;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use h8lio_model::inventory::Problem;

use super::procs;
use super::root::Root;
use crate::host::Fingerprint;
use crate::host::disks::{
    DiskHost, RawDrives, RawKernelErrors, RawMember, RawSignatures, RawSmart,
};

/// Reads the drives below a root.
#[derive(Debug, Default)]
pub struct LinuxDisks {
    root: Root,
    /// Processes of smartctl that not even SIGKILL ended, by device: a drive that does not
    /// answer is not asked again while one waits for it.
    stuck: Mutex<BTreeMap<String, u32>>,
    kmsg: Mutex<kmsg::Kmsg>,
}

impl LinuxDisks {
    pub fn new(root: Root) -> Self {
        Self {
            root,
            stuck: Mutex::default(),
            kmsg: Mutex::default(),
        }
    }
}

impl DiskHost for LinuxDisks {
    /// Devices, udev's database entries of block devices (written anew upon every event, also
    /// when a device was open for writing and is closed), and mounts.
    fn fingerprint(&self) -> Fingerprint {
        let mut hash = DefaultHasher::new();
        self.root.names("sys/block").hash(&mut hash);
        for entry in udev_entries(&self.root) {
            entry.hash(&mut hash);
        }
        for mount in mounts::mounts(&self.root) {
            (mount.number, mount.source, mount.target).hash(&mut hash);
        }
        mounts::swaps(&self.root).hash(&mut hash);
        Fingerprint(hash.finish())
    }

    fn drives(&self) -> RawDrives {
        sysfs::drives(&self.root)
    }

    fn signatures(&self) -> Result<BTreeMap<String, RawSignatures>, Problem> {
        self.root.allows_tools("lsblk")?;
        lsblk::ask(&self.root)
    }

    fn smart(&self, device: &str) -> Result<RawSmart, Problem> {
        self.ask(device, || smartctl::ask(device))
    }

    fn kernel_errors(&self) -> RawKernelErrors {
        let mut kmsg = self.kmsg.lock().unwrap_or_else(PoisonError::into_inner);
        kmsg.look(&self.root)
    }

    fn members(&self) -> Result<Vec<RawMember>, Problem> {
        self.root.allows_tools("smartctl")?;
        smartctl::members()
    }

    fn smart_of(&self, member: &RawMember) -> Result<RawSmart, Problem> {
        let name = format!("{} {}", member.device, member.position);
        self.ask(&name, || smartctl::ask_member(member))
    }
}

impl LinuxDisks {
    /// Asks a drive unless an earlier smartctl still waits for it.
    fn ask(
        &self,
        name: &str,
        ask: impl FnOnce() -> Result<RawSmart, (Problem, Option<u32>)>,
    ) -> Result<RawSmart, Problem> {
        self.root.allows_tools("smartctl")?;
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = stuck.get(name).copied() {
            let process = procs::one(&self.root.join("proc"), pid);
            if process.and_then(|p| procs::name(&p)).as_deref() == Some("smartctl") {
                return Err(smartctl::still_stuck(name, pid));
            }
            stuck.remove(name);
        }
        drop(stuck);
        ask().map_err(|(problem, pid)| {
            if let Some(pid) = pid {
                let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
                stuck.insert(name.to_owned(), pid);
            }
            problem
        })
    }
}

/// Name and change time of each block device's entry.
fn udev_entries(root: &Root) -> Vec<(String, i64, i64)> {
    let folder = "run/udev/data";
    root.names(folder)
        .into_iter()
        .filter(|name| name.starts_with('b'))
        .map(|name| {
            let m = std::fs::metadata(root.join(folder).join(&name));
            let (s, ns) = m.map_or((0, 0), |m| (m.mtime(), m.mtime_nsec()));
            (name, s, ns)
        })
        .collect()
}
