//! Files for a server, brought there together.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process;
use crate::ssh::Ssh;

/// 100 MB take a second.
const PACK: Duration = Duration::from_secs(180);

/// 100 MB onto an emulated disk.
const SEND: Duration = Duration::from_secs(300);

/// Where it lies on the server until it is unpacked; /tmp may be memory.
const THERE: &str = "/var/tmp/lab-parcel.tar";

/// A tree of files that becomes part of a server's.
#[derive(Debug)]
pub struct Parcel {
    folder: tempfile::TempDir,
}

impl Parcel {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        Ok(Self { folder })
    }

    /// Adds a file by its content.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&mut self, path: &str, text: &str, mode: u32) -> Result<()> {
        let place = self.place(path)?;
        fs::write(&place, text).with_context(|| format!("cannot write {}", place.display()))?;
        self.allow(&place, mode)
    }

    /// Adds a copy of a file of this machine.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(&mut self, path: &str, file: &Path, mode: u32) -> Result<()> {
        let place = self.place(path)?;
        fs::copy(file, &place).with_context(|| format!("cannot copy {}", file.display()))?;
        self.allow(&place, mode)
    }

    /// Packs it into an archive whose files are root's.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn pack(&self, file: &Path) -> Result<()> {
        pack(&self.folder.path().join("root"), file)
    }

    /// Unpacks it on a server, where it survives a power cut from then on. Folders that are there
    /// keep their owners and modes.
    ///
    /// # Errors
    /// When the server cannot be reached or has no room.
    pub fn send(&self, ssh: &Ssh, server: u8) -> Result<()> {
        let packed = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        self.pack(packed.path())?;
        ssh.copy_to(server, packed.path(), THERE, SEND)?;
        let unpack = format!(
            "tar --extract --no-overwrite-dir --directory=/ --file={THERE} && rm {THERE} && sync"
        );
        ssh.run(server, &unpack, SEND).map(|_| ())
    }

    fn place(&self, path: &str) -> Result<PathBuf> {
        let place = self
            .folder
            .path()
            .join("root")
            .join(path.trim_start_matches('/'));
        let above = place.parent().context("a file lies in a folder")?;
        fs::create_dir_all(above).with_context(|| format!("cannot make {}", above.display()))?;
        Ok(place)
    }

    fn allow(&self, place: &Path, mode: u32) -> Result<()> {
        fs::set_permissions(place, fs::Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {}", place.display()))
    }
}

/// Packs a folder so that the same content gives the same archive, whoever owns it here.
///
/// # Errors
/// When there is no room for it.
pub fn pack(folder: &Path, file: &Path) -> Result<()> {
    let mut command = process::command("tar");
    command
        .args(["--create", "--sort=name", "--mtime=@0"])
        .args(["--owner=0", "--group=0", "--numeric-owner", "--file"])
        .arg(file)
        .arg("--directory")
        .arg(folder)
        .arg(".");
    process::run(command, PACK).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_packed_with_their_modes_and_belong_to_root() {
        let mut parcel = Parcel::new().expect("a parcel");
        parcel.text("/etc/x/key", "secret", 0o600).expect("a file");
        let file = tempfile::NamedTempFile::new().expect("a file");
        parcel.pack(file.path()).expect("it is packed");
        let mut list = process::command("tar");
        list.args(["--list", "--verbose", "--numeric-owner", "--file"])
            .arg(file.path());
        let list = process::run(list, PACK).expect("a list");
        let line = list
            .lines()
            .find(|line| line.ends_with("./etc/x/key"))
            .expect("the file");
        assert!(line.starts_with("-rw------- 0/0"), "{line}");
    }
}
