//! What boots next, and the way back.

use h8lio_model::inventory::Problem;
use serde::{Deserialize, Serialize};

use super::patching::MayAct;
use super::tool::ToolError;

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

    /// Takes back that the next boot differs from later ones; the old kernel stays the default.
    ///
    /// # Errors
    /// [`BootError`].
    fn disarm(&self, way: &WayBack) -> Result<(), BootError>;

    /// Takes back all that stands in the boot loader's environment: every boot leads into `entry`
    /// (`None`: into the menu's first), and none elsewhere once.
    ///
    /// # Errors
    /// [`BootError`].
    fn restore(&self, entry: Option<&str>, leave: MayAct) -> Result<(), BootError>;

    /// Lets every boot lead into the kernel that `way` led to, from now on.
    ///
    /// # Errors
    /// [`BootError`].
    fn commit(&self, way: &WayBack, leave: MayAct) -> Result<(), BootError>;

    /// Asks for a boot, and returns before it happens.
    ///
    /// # Errors
    /// [`BootError`] when it was refused. No answer is no error: whether the boot happens is told by
    /// the boot id alone.
    fn reboot(&self, leave: MayAct) -> Result<(), BootError>;
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
    /// The firmware boots the new kernel once, and the old one by its order, which does not hold
    /// the new one.
    BootNext { once: u16, order: Vec<u16> },
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
    /// What `efibootmgr` prints. `None` also where there is no UEFI, which is no problem.
    pub firmware: Option<String>,
    pub problems: Vec<Problem>,
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
    #[error("cannot write {file}")]
    Write {
        file: &'static str,
        #[source]
        source: h8lio_tls::files::FileError,
    },
}
