//! Directories, processes and logical volumes become [`Osd`]s.
//!
//! Sources complete each other: a volume without a directory is an OSD that was never activated
//! here (moved, or left over), a directory without a volume is one whose disk is gone or that
//! another tool keeps, a process without either is one in a container. Two sources speak of the
//! same OSD when the id is the same and no fsid contradicts it: a disk of another cluster may
//! carry the same id.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::{Disk, DiskKey, Osd, OsdFacts, OsdManager, Problem, UnusableReason};

use super::unusable::drives_below;
use super::volumes::{self, Volume};
use crate::host::disks::RawDrives;
use crate::host::osds::{RawLayout, RawOsdDir, RawOsdProcess, RawOsds, RawVolumes};

/// Puts the sources together. OSDs come sorted by id, then fsid.
pub fn assess(
    raw: &RawOsds,
    volumes: &Result<Option<RawVolumes>, Problem>,
    drives: &RawDrives,
    disks: &[Disk],
) -> OsdFacts {
    let mut problems = raw.problems.clone();
    let volumes = volumes
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|found| found.as_ref().map_or(Ok(Vec::new()), volumes::understand));
    let volumes = volumes.unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });

    let below = Below {
        drives: drives_below(drives),
        keys: disks.iter().map(|d| (d.device.as_str(), &d.key)).collect(),
    };
    let mut osds: Vec<Osd> = Vec::new();
    for dir in &raw.dirs {
        match dir.id {
            Some(id) => add_dir(&mut osds, id, dir, &below),
            None => problems.push(nameless(dir)),
        }
    }
    for volume in &volumes {
        add_volume(&mut osds, volume, &below);
    }
    add_processes(&mut osds, raw.running.as_deref());
    for osd in &mut osds {
        osd.disks.sort();
        osd.disks.dedup();
    }
    osds.sort_by(|a, b| (a.id, &a.fsid).cmp(&(b.id, &b.fsid)));
    OsdFacts { osds, problems }
}

/// Writes onto each disk whose OSD it carries.
pub fn mark(disks: &mut [Disk], osds: &[Osd]) {
    for disk in disks {
        let mine: BTreeSet<UnusableReason> = osds
            .iter()
            .filter(|o| o.disks.contains(&disk.key))
            .map(|o| UnusableReason::CephOsd {
                osd_id: Some(o.id),
                cluster_fsid: o.cluster_fsid.clone(),
            })
            .collect();
        if mine.is_empty() {
            continue;
        }
        let nameless = UnusableReason::CephOsd {
            osd_id: None,
            cluster_fsid: None,
        };
        disk.unusable.retain(|r| *r != nameless);
        disk.unusable.extend(mine);
        disk.unusable.sort();
        disk.unusable.dedup();
    }
}

/// From any device to the keys of the drives below it.
struct Below<'a> {
    drives: BTreeMap<&'a str, BTreeSet<&'a str>>,
    keys: BTreeMap<&'a str, &'a DiskKey>,
}

impl Below<'_> {
    fn of<'d>(&self, devices: impl IntoIterator<Item = &'d String>) -> Vec<DiskKey> {
        devices
            .into_iter()
            .filter_map(|d| self.drives.get(d.strip_prefix("/dev/").unwrap_or(d)))
            .flatten()
            .filter_map(|drive| self.keys.get(drive).copied().cloned())
            .collect()
    }
}

/// The OSD that these words speak of, made where there is none yet.
fn entry<'o>(
    osds: &'o mut Vec<Osd>,
    id: u32,
    fsid: Option<&str>,
    cluster: Option<&str>,
) -> &'o mut Osd {
    let agrees = |known: &Option<String>, said: Option<&str>| match (known.as_deref(), said) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    let found = osds
        .iter()
        .position(|o| o.id == id && agrees(&o.fsid, fsid) && agrees(&o.cluster_fsid, cluster));
    let at = found.unwrap_or_else(|| {
        osds.push(Osd {
            id,
            fsid: None,
            cluster_fsid: None,
            device_class: None,
            encrypted: None,
            disks: Vec::new(),
            running: None,
            manager: OsdManager::Unknown,
        });
        osds.len() - 1
    });
    let osd = &mut osds[at];
    osd.fsid = osd.fsid.take().or_else(|| fsid.map(Into::into));
    osd.cluster_fsid = osd.cluster_fsid.take().or_else(|| cluster.map(Into::into));
    osd
}

fn add_dir(osds: &mut Vec<Osd>, id: u32, dir: &RawOsdDir, below: &Below<'_>) {
    let osd = entry(osds, id, dir.fsid.as_deref(), dir.cluster_fsid.as_deref());
    let manager = match dir.layout {
        RawLayout::Packages => OsdManager::Packages,
        RawLayout::Cephadm => OsdManager::Cephadm,
        RawLayout::Rook => OsdManager::Rook,
    };
    // `cephadm adopt` and a move to Rook leave the package's empty directory behind.
    if manager != OsdManager::Packages || osd.manager == OsdManager::Unknown {
        osd.manager = manager;
    }
    osd.disks.extend(below.of(&dir.devices));
}

fn add_volume(osds: &mut Vec<Osd>, volume: &Volume, below: &Below<'_>) {
    let fsid = volume.osd_fsid.as_deref();
    let osd = entry(osds, volume.osd_id, fsid, volume.cluster_fsid.as_deref());
    osd.device_class = osd.device_class.take().or(volume.device_class.clone());
    osd.encrypted = osd.encrypted.or(volume.encrypted);
    osd.disks.extend(below.of(&volume.devices));
}

fn add_processes(osds: &mut Vec<Osd>, running: Option<&[RawOsdProcess]>) {
    let Some(running) = running else { return };
    let runs = |id: u32, cluster: Option<&str>| {
        running.iter().any(|p| {
            p.id == id
                && match (p.cluster_fsid.as_deref(), cluster) {
                    (Some(a), Some(b)) => a == b,
                    _ => true,
                }
        })
    };
    for process in running {
        entry(osds, process.id, None, process.cluster_fsid.as_deref());
    }
    for osd in osds {
        osd.running = Some(runs(osd.id, osd.cluster_fsid.as_deref()));
    }
}

fn nameless(dir: &RawOsdDir) -> Problem {
    Problem {
        what: dir.path.clone(),
        reason: "NotUnderstood".into(),
        message: format!(
            "{} looks like an OSD's directory but names no id; look at its file whoami",
            dir.path
        ),
    }
}
