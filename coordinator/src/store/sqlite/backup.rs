//! A copy of the store's file, and a copy put in its place.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::lock::{self, OwnerLock};
use super::{fault, open};
use crate::store::error::StoreError;

/// Writes a consistent copy of the store at `store` into the new file `to` (mode 0600). The
/// coordinator may run meanwhile: it is one read transaction beside it. Blocks.
///
/// # Errors
/// [`StoreError`] of the file that it names; nothing is left at `to` then.
pub fn copy(store: &Path, to: &Path) -> Result<(), StoreError> {
    // Whatever is there is not overwritten; SQLite fills an empty file.
    new_file(to).map_err(|e| unusable(to, &e))?;
    let written = fill(store, to);
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs::remove_file(to);
    }
    written
}

fn fill(store: &Path, to: &Path) -> Result<(), StoreError> {
    let conn = open::read_only(store).map_err(|e| fault::sqlite(store, &e))?;
    // A path that is no UTF-8 cannot be a parameter of a statement.
    let name = to.to_str().ok_or_else(|| StoreError::Open {
        store: fault::name(to),
        detail: "its name is not UTF-8".to_owned(),
    })?;
    conn.execute("VACUUM INTO ?1", [name])
        .map_err(|e| fault::sqlite(to, &e))?;
    synced(to).map_err(|e| fault::io(to, &e))
}

/// How the name of a copy on its way out of the coordinator begins and ends.
const DRAFT: [&str; 2] = ["backup-", ".draft"];

/// A new name beside the store for a copy on its way out.
pub fn draft(store: &Path) -> PathBuf {
    let [begin, end] = DRAFT;
    store.with_file_name(format!("{begin}{}{end}", uuid::Uuid::new_v4()))
}

/// Removes copies that a crash left on their way out, with SQLite's files beside them. For whoever has
/// the store to itself and makes none yet.
///
/// # Errors
/// [`StoreError`] of the file that it names.
pub fn sweep(store: &Path) -> Result<(), StoreError> {
    let [begin, end] = DRAFT;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |e: io::Error| fault::io(&path, &e)
    };
    let folder = store
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_draft = name.strip_prefix(begin).and_then(|rest| {
            let (id, beside) = rest.split_once(end)?;
            let beside = ["", "-journal", "-wal", "-shm"].contains(&beside);
            Some(beside && id.parse::<uuid::Uuid>().is_ok())
        });
        if is_draft == Some(true) {
            fs::remove_file(&path).map_err(failed(&path))?;
            tracing::info!("removed {}, which a crash left", path.display());
        }
    }
    Ok(())
}

/// How the name of a store that was replaced goes on.
pub const ASIDE: &str = ".before-restore-";

/// A copy on its way into the place of a store that nobody uses meanwhile.
#[derive(Debug)]
pub struct Replacement {
    store: PathBuf,
    draft: PathBuf,
    _lock: OwnerLock,
}

impl Replacement {
    /// Brings a copy of `from` beside the store at `store`, and keeps coordinators away from it.
    ///
    /// # Errors
    /// `Locked` while a coordinator runs; else what the files say.
    pub fn begin(store: &Path, from: &Path) -> Result<Self, StoreError> {
        heal(store).map_err(|e| fault::io(store, &e))?;
        let store = lock::true_path(store)?;
        let held = OwnerLock::take(&store)?;
        let draft = beside(&store, ".restoring");
        // What an earlier try left.
        clear(&draft).map_err(|e| fault::io(&draft, &e))?;
        let fill = || {
            let mut to = new_file(&draft)?;
            io::copy(&mut File::open(from)?, &mut to)?;
            to.sync_all()
        };
        fill().map_err(|e| unusable(from, &e))?;
        Ok(Self {
            store,
            draft,
            _lock: held,
        })
    }

    /// The copy: opened as a store and closed again it is whole, checked and of the present format.
    pub fn draft(&self) -> &Path {
        &self.draft
    }

    /// Puts the copy in the store's place. What was there is kept under the name that is answered.
    ///
    /// # Errors
    /// What the files say; until the last step the old store is in its place.
    pub fn finish(self, suffix: &str) -> Result<Option<PathBuf>, StoreError> {
        // Its journal does not come along.
        take_in(&self.draft)?;
        let failed = |e: &io::Error| fault::io(&self.store, e);
        let kept = self.keep_old(suffix);
        let moved = kept.and_then(|aside| {
            fs::rename(&self.draft, &self.store)?;
            Ok(aside)
        });
        let aside = moved.map_err(|e| {
            // Else it would have two names, and nobody could open it.
            let _ = heal(&self.store);
            failed(&e)
        })?;
        clear(&self.draft).map_err(|e| failed(&e))?;
        sync_folder(&self.store).map_err(|e| failed(&e))?;
        Ok(aside)
    }

    /// Gives the store that is there a second name, and takes its journal away from the first: it
    /// would be applied to the copy.
    fn keep_old(&self, suffix: &str) -> io::Result<Option<PathBuf>> {
        if !self.store.exists() {
            return Ok(None);
        }
        // A damaged one keeps its journal beside it.
        let _ = take_in(&self.store);
        let aside = beside(&self.store, suffix);
        for part in ["-wal", "-shm"] {
            let (now, then) = (beside(&self.store, part), beside(&aside, part));
            if now.exists() {
                fs::hard_link(&now, then)?;
            }
        }
        fs::hard_link(&self.store, &aside)?;
        for part in ["-wal", "-shm"] {
            remove(&beside(&self.store, part))?;
        }
        sync_folder(&self.store)?;
        Ok(Some(aside))
    }
}

/// Brings what stands in the journal into the file itself.
fn take_in(store: &Path) -> Result<(), StoreError> {
    let failed = |e: rusqlite::Error| fault::sqlite(store, &e);
    let conn = open::reopen(store, super::SqliteOptions::default()).map_err(failed)?;
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0)
    });
    match busy.map_err(failed)? {
        0 => Ok(()),
        _ => Err(StoreError::Unavailable {
            store: fault::name(store),
            detail: "another program reads the file".to_owned(),
        }),
    }
}

/// A file that a person named.
fn unusable(path: &Path, e: &io::Error) -> StoreError {
    let detail = match e.kind() {
        io::ErrorKind::AlreadyExists => "it exists, and is not overwritten",
        io::ErrorKind::NotFound => "there is no such file or directory",
        _ => return fault::io(path, e),
    };
    StoreError::Open {
        store: fault::name(path),
        detail: detail.to_owned(),
    }
}

/// Takes back the second name of a store, and gives it its journal again: a try was cut off between the
/// two.
fn heal(store: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(store) = fs::canonicalize(store) else {
        return Ok(());
    };
    let own = fs::metadata(&store)?;
    let (Some(folder), Some(name)) = (store.parent(), store.file_name()) else {
        return Ok(());
    };
    if own.nlink() < 2 {
        return Ok(());
    }
    let mut begin = name.to_owned();
    begin.push(ASIDE);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let named = path.file_name().unwrap_or_default().as_encoded_bytes();
        let ours = named.starts_with(begin.as_encoded_bytes());
        if ours && fs::metadata(&path)?.ino() == own.ino() {
            for part in ["-wal", "-shm"] {
                let kept = beside(&path, part);
                if kept.exists() {
                    fs::rename(kept, beside(&store, part))?;
                }
            }
            fs::remove_file(path)?;
        }
    }
    sync_folder(&store)
}

/// Removes a draft and what SQLite and the lock put beside it.
fn clear(draft: &Path) -> io::Result<()> {
    for part in ["", "-wal", "-shm", ".lock"] {
        remove(&beside(draft, part))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path)
}

fn synced(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_of_a_crash_are_swept_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = dir.path().join("coordinator.db");
        let left = draft(&store);
        let name = left.display();
        let drafts = [format!("{name}"), format!("{name}-journal")];
        let others = [
            "coordinator.db",
            "backup-monday.draft",
            "backup-x.db",
            "bans.log",
        ];
        let others = others.map(|name| dir.path().join(name));
        for path in drafts
            .iter()
            .map(Path::new)
            .chain(others.iter().map(PathBuf::as_path))
        {
            fs::write(path, "x").expect("written");
        }
        sweep(&store).expect("swept");
        assert!(drafts.iter().all(|draft| !Path::new(draft).exists()));
        assert!(others.iter().all(|other| other.exists()));
        sweep(&store).expect("again");
    }
}
