//! What boots next, and the way back. What is written for boot loader and firmware to read, and what
//! they print, has its form here: whoever decides and whoever acts both know it ([`custom`], [`efi`]).

pub mod custom;
pub mod efi;

use std::collections::BTreeMap;

use h8lio_model::inventory::Problem;
use serde::{Deserialize, Serialize};

use super::patching::MayAct;
use super::tool::ToolError;

/// Labels of the firmware entries that the agent makes, before the kernel's release.
pub const LABEL: &str = "h8lio ";

/// The agent's folder on the EFI system partition.
pub const FOLDER: &str = "EFI/h8lio";

/// Where the agent's copy of a file of that partition lies.
pub fn own(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{FOLDER}/{name}")
}

/// The boot loader and the firmware, as somebody who may change what boots.
pub trait BootHost: Send + Sync {
    /// All that is known about booting. Changes nothing.
    fn boot(&self) -> RawBoot;

    /// Before another kernel goes in: lets every boot lead into `entry` (where the boot loader
    /// decides), and keeps exactly `packages` from being removed as unneeded. With neither, the
    /// packages are as any others again.
    ///
    /// # Errors
    /// [`BootError`].
    fn pin(&self, entry: Option<&str>, packages: &[String], leave: MayAct)
    -> Result<(), BootError>;

    /// Lets the next boot lead into the new kernel and every later one into the old; answers with
    /// what the tools printed, because one of their warnings means that it is no way back.
    ///
    /// # Errors
    /// [`BootError`]; [`BootHost::disarm`] then takes back what was done of it.
    fn arm(&self, way: &WayBack, leave: MayAct) -> Result<String, BootError>;

    /// Takes back that the next boot differs from later ones; the default stays as it is.
    ///
    /// # Errors
    /// [`BootError`].
    fn disarm(&self, exception: Exception) -> Result<(), BootError>;

    /// Takes back all that stands in the boot loader's environment: every boot leads into `entry`
    /// (`None`: into the menu's first), and none elsewhere once.
    ///
    /// # Errors
    /// [`BootError`].
    fn restore(&self, entry: Option<&str>, leave: MayAct) -> Result<(), BootError>;

    /// Lets every boot lead into `entry` from now on. Exceptions of the firmware and of the running
    /// kernel are taken back by [`BootHost::disarm`].
    ///
    /// # Errors
    /// [`BootError`].
    fn commit(&self, entry: &str, leave: MayAct) -> Result<(), BootError>;

    /// Asks for a boot, and returns before it happens.
    ///
    /// # Errors
    /// [`BootError`] when it was refused. No answer is no error: whether the boot happens is told by
    /// the boot id alone.
    fn reboot(&self, how: Restart, leave: MayAct) -> Result<(), BootError>;
}

/// The way back, and the way forward that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum WayBack {
    /// The old kernel is the default, the new one is booted once.
    Grub {
        old: String,
        new: String,
        /// For a kernel file that is missing: GRUB would wait in its menu for ever. It is counted
        /// anew each time, because a kernel that is added moves it.
        fallback: usize,
    },
    /// The old kernel is GRUB's default, which the firmware's order starts. Once, the firmware starts
    /// GRUB from another folder, where its default is the new one.
    BootNext {
        old: String,
        new: String,
        fallback: usize,
        /// Of the firmware's entry that is made for it.
        label: String,
        through: Through,
    },
    /// The old kernel is GRUB's default. Once, the running kernel starts the new one itself.
    Kexec {
        old: String,
        new: String,
        load: Load,
    },
}

/// Who makes the one exception, the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// GRUB's environment.
    Grub,
    /// The firmware, with lines in the menu.
    BootNext,
    /// The kernel that runs.
    Kexec,
}

impl WayBack {
    /// What it leads into the new kernel by.
    pub const fn exception(&self) -> Exception {
        match self {
            Self::Grub { .. } => Exception::Grub,
            Self::BootNext { .. } => Exception::BootNext,
            Self::Kexec { .. } => Exception::Kexec,
        }
    }
}

/// The GRUB that is copied on the EFI system partition, to be started from a folder of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Through {
    /// Where the partition is mounted.
    pub mount: String,
    /// For example `/dev/sda`, and the partition's number on it.
    pub disk: String,
    pub partition: u32,
    /// Paths on it; the first is started, and starts the others.
    pub files: Vec<String>,
}

/// What `kexec` loads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Load {
    pub kernel: String,
    pub initrd: String,
    pub arguments: String,
}

/// How a boot comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Through firmware and boot loader, whatever was loaded meanwhile.
    Whole,
    /// Into what `kexec` has loaded.
    Kexec,
}

/// Raw readings; `None`: could not be asked, and then a problem says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawBoot {
    /// `/boot/grub/grub.cfg`.
    pub menu: Option<String>,
    /// `/boot/grub/grubenv`.
    pub environment: Option<Vec<u8>>,
    /// What the environment lies on.
    pub backing: Option<Backing>,
    /// `/boot/grub/custom.cfg`; empty where there is none.
    pub custom: String,
    /// What `efibootmgr -v` prints. `None` also where there is no UEFI, which is no problem.
    pub firmware: Option<String>,
    /// `None`: none is mounted.
    pub esp: Option<RawEsp>,
    pub kexec: Option<RawKexec>,
    pub problems: Vec<Problem>,
}

/// The mounted EFI system partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawEsp {
    pub mount: String,
    pub disk: String,
    pub partition: u32,
    pub free_bytes: u64,
    /// Lengths of the programs below `EFI`, by path: `EFI/debian/shimx64.efi`.
    pub files: BTreeMap<String, u64>,
}

/// What the running kernel says of starting another. `None`: it could not be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawKexec {
    pub has_tool: bool,
    /// `kernel.kexec_load_disabled`.
    pub is_switched_off: Option<bool>,
    /// `/sys/kernel/security/lockdown`, where there is one.
    pub lockdown: Option<String>,
    /// Something is loaded.
    pub is_loaded: bool,
}

/// What a file lies on, as far as GRUB's own writing depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// A partition or a disk: GRUB writes its blocks.
    Plain,
    Raid,
    /// LVM, dm-crypt and their like.
    Mapper,
    /// A file system over several devices (btrfs, ZFS).
    Pool,
}

/// Why what boots could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("{file} is not the same as what it was copied from")]
    Differs { file: String },
    #[error("the firmware has no entry {label:?}, which efibootmgr was told to make")]
    NoEntry { label: String },
    #[error("cannot write {file}")]
    Write {
        file: &'static str,
        #[source]
        source: h8lio_tls::files::FileError,
    },
}
