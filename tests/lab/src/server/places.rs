//! Where a server's files and sockets are.

use std::path::{Path, PathBuf};

/// Below the lab's folder; sockets elsewhere, since their paths may have 107 bytes only.
#[derive(Debug, Clone)]
pub struct Places {
    name: String,
    folder: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
}

impl Places {
    pub(crate) fn new(lab: &Path, sockets: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: lab.join("servers").join(name),
            sockets: sockets.to_owned(),
            log: lab.join("log"),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn spec(&self) -> PathBuf {
        self.folder.join("server.json")
    }

    /// The image that its boot disk is a layer over; never written to.
    pub(super) fn base(&self) -> PathBuf {
        self.folder.join("base.raw")
    }

    /// What the server has written to its boot disk, above the image.
    pub fn os(&self) -> PathBuf {
        self.folder.join("os.qcow2")
    }

    /// UEFI's variables: boot entries and BootNext.
    pub fn variables(&self) -> PathBuf {
        self.folder.join("uefi.fd")
    }

    /// A data disk's file.
    pub fn disk(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.raw"))
    }

    /// Everything that was ever said on the serial line.
    pub fn console_log(&self) -> PathBuf {
        self.log.join(format!("{}.console.log", self.name))
    }

    /// The serial line itself, to talk on.
    pub fn console(&self) -> PathBuf {
        self.sockets.join(format!("{}.console", self.name))
    }

    /// QMP for the lab's own use.
    pub fn monitor(&self) -> PathBuf {
        self.sockets.join(format!("{}.qmp", self.name))
    }

    /// QMP for whoever else wants to talk to QEMU: a BMC, a person.
    pub fn second_monitor(&self) -> PathBuf {
        self.sockets.join(format!("{}.qmp2", self.name))
    }
}
