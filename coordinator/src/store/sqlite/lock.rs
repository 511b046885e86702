//! One coordinator per file: an advisory lock on `<file>.lock`, which the kernel frees however
//! its holder ends. The lock file stays; removing it would let two holders lock two files. A file
//! of several names would have several locks: symbolic links are followed first, hard links are
//! refused.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::fault;
use crate::store::error::StoreError;

/// The one path of the store at `path`, whatever links lead there.
pub(super) fn true_path(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |e: &std::io::Error| fault::io(path, e);
    if !path.is_symlink() && !path.exists() {
        // About to be created: then its folder is what links may lead to.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
        let folder = folder.map_err(|e| failed(&e))?;
        return Ok(path.file_name().map_or(folder.clone(), |n| folder.join(n)));
    }
    let found = std::fs::canonicalize(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::Open {
            store: fault::name(path),
            detail: "it is a symbolic link to a file that does not exist".to_owned(),
        },
        _ => failed(&e),
    })?;
    let meta = std::fs::metadata(&found).map_err(|e| failed(&e))?;
    if meta.is_file() && meta.nlink() > 1 {
        return Err(StoreError::Linked {
            store: fault::name(&found),
            links: meta.nlink(),
        });
    }
    Ok(found)
}

/// The right to write to a store, for as long as it lives.
#[derive(Debug)]
pub(super) struct OwnerLock {
    _held: Flock<File>,
}

impl OwnerLock {
    pub(super) fn take(store: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path(store))
            .map_err(|e| fault::io(store, &e))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                // The id is for people alone; a full disk must not keep the store from opening.
                let _ = write_pid(&mut held);
                Ok(Self { _held: held })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => Err(StoreError::Locked {
                store: fault::name(store),
                holder: read_pid(&mut file),
            }),
            Err((_, errno)) => Err(fault::io(store, &errno.into())),
        }
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
