//! What no way back needs any more, and how much is free.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::sys::statvfs::statvfs;

use super::apt;
use super::folder::Folder;
use crate::host::patching::{Pinned, RawRoom, Room};

/// What so many transactions left stays, for whoever wants to read what happened.
const TRACES: usize = 16;

/// Archives in `kept` that are none of `old`.
pub(super) fn put_aside(kept: &Path, old: &[Pinned]) -> io::Result<Vec<PathBuf>> {
    let needed: Vec<PathBuf> = old
        .iter()
        .filter_map(|pin| apt::archive_of(kept, pin))
        .collect();
    let mut stale = archives(kept)?;
    // What was cut off while it came.
    stale.extend(files(&kept.join("partial"))?);
    stale.retain(|path| !needed.contains(path));
    Ok(stale)
}

/// Archives in apt's `cache` of the same packages as `new` and of other versions. Those of `new` stay:
/// when the next change comes, repositories may not have them any more.
pub(super) fn cached(cache: &Path, new: &[Pinned]) -> io::Result<Vec<PathBuf>> {
    let current: Vec<PathBuf> = new
        .iter()
        .filter_map(|pin| apt::archive_of(cache, pin))
        .collect();
    let kinds: Vec<(String, String)> = current.iter().filter_map(|path| kind(path)).collect();
    let mut stale = archives(cache)?;
    stale.retain(|path| !current.contains(path) && kind(path).is_some_and(|k| kinds.contains(&k)));
    Ok(stale)
}

/// Name and architecture, of `NAME_VERSION_ARCH.deb`.
fn kind(archive: &Path) -> Option<(String, String)> {
    let file = archive.file_name()?.to_str()?.strip_suffix(".deb")?;
    let (rest, architecture) = file.rsplit_once('_')?;
    let (name, _) = rest.split_once('_')?;
    Some((name.to_owned(), architecture.to_owned()))
}

/// Removes what transactions left below `folder`, but for the last few and those at work.
pub(super) fn traces(folder: &Path) -> io::Result<()> {
    let mut found: Vec<(SystemTime, PathBuf)> = files(folder)?
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    let stale = found.len().saturating_sub(TRACES);
    found
        .into_iter()
        .take(stale)
        .try_for_each(|(_, path)| Folder::at(path).forget())
}

fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = files(folder)?;
    all.retain(|path| path.extension().is_some_and(|e| e == "deb"));
    Ok(all)
}

/// What lies in a folder; nothing in one that is not there.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// What is free below `root`, and what the running kernel takes in `/boot`.
pub(super) fn room(root: &Path) -> io::Result<RawRoom> {
    let mut out = RawRoom::default();
    for (place, below) in [("/", "."), ("/boot", "boot"), ("/var", "var")] {
        let path = root.join(below);
        let device = match path.metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?.dev(),
        };
        let free = statvfs(&path)?;
        let free = free.blocks_available().saturating_mul(free.fragment_size());
        out.rooms.push(Room {
            place,
            device,
            free,
        });
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let own = format!("-{}", release.trim());
    for path in files(&root.join("boot"))? {
        if path.to_string_lossy().ends_with(&own) {
            out.kernel = out.kernel.saturating_add(path.metadata()?.len());
        }
    }
    Ok(out)
}
