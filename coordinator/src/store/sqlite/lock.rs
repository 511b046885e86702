//! One coordinator per file: an advisory lock on `<file>.lock`, which the kernel frees however
//! its holder ends. The lock file stays; removing it would let two holders lock two files.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::fault;
use crate::store::error::StoreError;

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
