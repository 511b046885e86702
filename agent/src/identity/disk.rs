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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_removed_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = PrivateFolder::new(dir.path());
        assert_eq!(disk.read("a").expect("none yet"), None);
        disk.remove("a").expect("nothing to remove");
        disk.write("a", b"one").expect("written");
        let read = disk.read("a").expect("readable").expect("there");
        assert_eq!(&**read, b"one");
        assert_eq!(disk.place("a"), dir.path().join("a"));
        disk.remove("a").expect("removed");
        assert_eq!(disk.read("a").expect("none any more"), None);
    }

    #[test]
    fn what_cannot_be_read_or_removed_is_not_taken_for_missing() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = PrivateFolder::new(dir.path());
        std::fs::create_dir(disk.place("a")).expect("a folder in the way");
        disk.read("a").expect_err("a folder is no file");
        let error = disk.remove("a").expect_err("a folder is no file");
        assert!(matches!(error, FileError::Write { .. }), "{error:?}");
    }

    #[test]
    fn a_probe_tells_whether_a_file_can_be_written_and_leaves_none() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = PrivateFolder::new(dir.path());
        disk.probe("p").expect("there is room");
        assert!(!disk.place("p").exists());
        let nowhere = PrivateFolder::new(&dir.path().join("gone"));
        let error = nowhere.probe("p").expect_err("no folder");
        assert!(matches!(error, FileError::Write { .. }), "{error:?}");
    }
}
