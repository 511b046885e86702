//! OSDs: directories of three layouts, processes, and logical volumes.

mod dirs;
mod processes;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use h8lio_model::inventory::Problem;

use super::exec::{self, Argv};
use super::os::failed;
use super::root::{Root, not_understood};
use crate::host::Fingerprint;
use crate::host::osds::{OsdHost, RawOsds, RawVolumes};

/// ceph-volume is Python and asks LVM several times; on a loaded server it takes long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Reads the OSDs below a root.
#[derive(Debug, Default)]
pub struct LinuxOsds {
    root: Root,
    /// Processes seen by the last walk, whose end the fingerprint notices without a walk.
    seen: Mutex<Vec<u32>>,
}

impl LinuxOsds {
    pub fn new(root: Root) -> Self {
        Self {
            root,
            seen: Mutex::default(),
        }
    }
}

impl OsdHost for LinuxOsds {
    fn fingerprint(&self) -> Fingerprint {
        let mut hash = DefaultHasher::new();
        for folder in dirs::FOLDERS.into_iter().chain(["run/ceph"]) {
            // A socket or directory that comes or goes changes its folder's time; an
            // OSD under cephadm has a folder of its own below each.
            let mut all = vec![folder.to_owned()];
            let below = self.root.names(folder).into_iter();
            all.extend(below.map(|n| format!("{folder}/{n}")));
            for path in all {
                let m = std::fs::metadata(self.root.join(&path));
                let changed = m.map(|m| (m.mtime(), m.mtime_nsec(), m.ino())).ok();
                (path, changed).hash(&mut hash);
            }
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for pid in seen.iter() {
            (pid, processes::is_osd(&self.root, *pid)).hash(&mut hash);
        }
        Fingerprint(hash.finish())
    }

    fn osds(&self) -> RawOsds {
        let mut problems = Vec::new();
        let dirs = dirs::dirs(&self.root, &mut problems);
        let running = processes::running(&self.root)
            .map_err(|problem| problems.push(problem))
            .ok();
        let pids = running.iter().flatten().map(|p| p.pid).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = pids;
        RawOsds {
            dirs,
            running,
            problems,
        }
    }

    fn volumes(&self) -> Result<Option<RawVolumes>, Problem> {
        self.root.allows_tools("ceph-volume")?;
        if exec::find("ceph-volume").is_some() {
            let args = ["lvm", "list", "--format", "json"];
            return ask("ceph-volume", &args).map(|json| Some(RawVolumes::CephVolume(json)));
        }
        if exec::find("lvs").is_some() {
            let columns = "lv_name,vg_name,lv_path,lv_tags,devices";
            let args = ["--reportformat", "json", "--readonly", "-o", columns];
            return ask("lvs", &args).map(|json| Some(RawVolumes::Lvs(json)));
        }
        Ok(None)
    }
}

/// Runs a tool that answers JSON. What it printed is never quoted beyond its first error line:
/// LVM tags hold a secret.
fn ask(tool: &'static str, args: &[&'static str]) -> Result<serde_json::Value, Problem> {
    let answer = exec::run(tool, &Argv::of(args), &[], DEADLINE).map_err(|e| e.problem(tool))?;
    if answer.code != 0 {
        return Err(failed(tool, answer.code, &answer.stderr));
    }
    serde_json::from_slice(&answer.stdout)
        .map_err(|_| not_understood(tool, "its answer is no JSON; report the tool's version"))
}
