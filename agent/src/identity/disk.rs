//! The state directory's files, as the few operations that a crash may fall between.

use std::path::{Path, PathBuf};

use h8lio_tls::files::{self, FileError};
use zeroize::Zeroizing;

/// Reads and writes whole private files by name. Every operation blocks.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// The content; `None` when there is no such file.
    ///
    /// # Errors
    /// [`FileError`].
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError>;

    /// Replaces the content: after a crash the file holds the old or the new. Durable when this
    /// returns.
    ///
    /// # Errors
    /// [`FileError`]; the old content is then still there.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError>;

    /// Removes the file; one that is not there is fine.
    ///
    /// # Errors
    /// [`FileError`].
    fn remove(&self, name: &str) -> Result<(), FileError>;

    /// Whether a file could be written now; leaves nothing behind and does not wait for the
    /// platter.
    ///
    /// # Errors
    /// [`FileError::Write`].
    fn probe(&self, name: &str) -> Result<(), FileError>;

    /// Where the file lies, for people.
    fn place(&self, name: &str) -> PathBuf;
}

/// A folder of mode 0700.
#[derive(Debug, Clone)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// The folder at `path`, which must exist.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

impl Disk for PrivateFolder {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        match files::read_private(&self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        files::write_private(&self.path.join(name), bytes)
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::Write { path, source })
            }
            _ => Ok(()),
        }
    }

    fn probe(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        // A block's worth: an inode alone may still be had on a full disk.
        let written = std::fs::write(&path, [0; 4096]);
        let _ = std::fs::remove_file(&path);
        written.map_err(|source| FileError::Write { path, source })
    }

    fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
