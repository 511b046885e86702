//! Private files: written whole or not at all, readable by their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Files beyond this are not ours: 1 MiB.
const MAX: u64 = 1 << 20;

/// Why a private file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} can be read by others (mode {mode:03o}): chmod 0600 {}", path.display(), path.display())]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("{} is larger than 1 MiB: it is not a key, a certificate or a state file of h8lio", path.display())]
    TooLarge { path: PathBuf },
}

impl FileError {
    /// Whether the file is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Writes `bytes` to `path` with mode 0600 so that a crash or power cut at any moment leaves
/// either the old content or the new: temporary file, fsync, rename, fsync of the folder.
///
/// # Errors
/// [`FileError::Write`]; the old content is then still there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic(path, bytes, 0o600)
}

/// As [`write_private`] with another mode, for what is not secret.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let wrap = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = folder.join(name);
    let result = (|| {
        // Left by a crash: its content was never promised to anybody.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(wrap)
}

/// Reads a private file; refuses one that its group or others can read.
///
/// # Errors
/// [`FileError`].
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let wrap = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(wrap)?;
    let meta = file.metadata().map_err(wrap)?;
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    if meta.len() > MAX {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize));
    file.take(MAX).read_to_end(&mut bytes).map_err(wrap)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_written_is_read_back_and_only_its_owner_may() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key.pem");
        write_private(&path, b"one").expect("written");
        write_private(&path, b"two").expect("replaced");
        assert_eq!(read_private(&path).expect("read").as_slice(), b"two");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let e = read_private(&path).expect_err("too open");
        assert!(e.to_string().contains("chmod 0600"), "{e}");
    }

    #[test]
    fn a_leftover_of_a_crash_is_no_obstacle() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state");
        fs::write(dir.path().join("state.new"), b"torn").expect("written");
        write_private(&path, b"whole").expect("written");
        assert_eq!(read_private(&path).expect("read").as_slice(), b"whole");
        assert!(!dir.path().join("state.new").exists());
    }

    #[test]
    fn a_missing_file_is_told_from_an_unreadable_one() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(
            read_private(&dir.path().join("no"))
                .expect_err("missing")
                .is_missing()
        );
        assert!(!read_private(dir.path()).is_err_and(|e| e.is_missing()));
    }
}
