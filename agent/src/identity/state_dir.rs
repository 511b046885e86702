//! The folder itself: made, checked and locked.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    #[error("cannot make the state directory {}; make it with: install -d -m 0700 {}", .path.display(), .path.display())]
    Make {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the state directory {} is open to others (mode {mode:03o}): chmod 0700 {}", .path.display(), .path.display())]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("cannot lock the state directory {}", .path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another h8lio-agent{} uses {}; stop it first (systemctl stop h8lio-agent), or name another --state-dir", pid(.holder), .path.display())]
    InUse { path: PathBuf, holder: String },
}

fn pid(holder: &str) -> String {
    if holder.is_empty() {
        String::new()
    } else {
        format!(" (pid {holder})")
    }
}

/// Holds the lock for as long as it lives; the kernel drops it with the process.
#[derive(Debug)]
pub struct StateDirLock {
    _file: Flock<File>,
}

/// Makes `path` where it is missing (0700) and locks it.
///
/// # Errors
/// [`StateDirError`].
pub fn open(path: &Path) -> Result<StateDirLock, StateDirError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StateDirError::Make {
        path: path.to_owned(),
        source,
    })?;
    let lock_error = |source| StateDirError::Lock {
        path: path.to_owned(),
        source,
    };
    let mode = fs::metadata(path).map_err(lock_error)?.mode() & 0o777;
    if mode & 0o077 != 0 && !close(path).map_err(lock_error)? {
        return Err(StateDirError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path.join("lock"))
        .map_err(lock_error)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut locked) => {
            // Only for the message above; a full disk must not keep the agent from running.
            let _ = locked.set_len(0);
            let _ = write!(*locked, "{}", std::process::id());
            Ok(StateDirLock { _file: locked })
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            holder.retain(|c| c.is_ascii_digit());
            Err(StateDirError::InUse {
                path: path.to_owned(),
                holder,
            })
        }
        Err((_, errno)) => Err(lock_error(errno.into())),
    }
}

/// Takes an empty directory of ours from everybody else; `false` when it is neither.
fn close(path: &Path) -> io::Result<bool> {
    let is_empty = || fs::read_dir(path).map(|mut entries| entries.next().is_none());
    if fs::metadata(path)?.uid() != nix::unistd::geteuid().as_raw() || !is_empty()? {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    // Somebody may have put a file there just before.
    is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_who_uses_the_directory() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a/b");
        let lock = open(&path).expect("first");
        let error = open(&path).expect_err("second").to_string();
        let me = format!("another h8lio-agent (pid {}) uses", std::process::id());
        assert!(error.starts_with(&me), "{error}");
        drop(lock);
        open(&path).expect("free again");
    }

    #[test]
    fn an_empty_directory_of_ours_is_closed_to_others() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let _lock = open(dir.path()).expect("closed and locked");
        let mode = fs::metadata(dir.path()).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o700, "{mode:o}");
    }

    #[test]
    fn a_directory_open_to_others_is_refused_with_the_command_that_closes_it() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::write(dir.path().join("file"), "").expect("written");
        let error = open(dir.path()).expect_err("too open").to_string();
        assert!(error.contains("(mode 755): chmod 0700 "), "{error}");
        let mode = fs::metadata(dir.path()).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o755, "what it holds is somebody's: {mode:o}");
    }
}
