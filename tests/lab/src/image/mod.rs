//! Disks that servers boot from: a Debian root, made by mmdebstrap, on a GPT disk with GRUB for
//! BIOS and UEFI. Each step is an entry of the cache, so a change of the last one repeats only it.
//!
//! ```text
//!   1 BIOS boot | 2 ESP | 3, 4 members of a mirror | 5 root
//! ```

mod disk;
mod files;
mod finish;
mod root;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use self::disk::overlay;
use crate::cache::Cache;

/// A release of Debian, by its code name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

/// How a server comes from its firmware to its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// BIOS, /boot on the root file system.
    Bios,
    /// UEFI, the same otherwise.
    Uefi,
    /// BIOS, /boot on a mirror of the kernel's md driver.
    Md,
    /// UEFI, /boot on such a mirror.
    MdUefi,
}

impl Release {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl Flavour {
    pub const ALL: [Self; 4] = [Self::Bios, Self::Uefi, Self::Md, Self::MdUefi];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::Md => "md",
            Self::MdUefi => "md-uefi",
        }
    }

    pub fn has_uefi(self) -> bool {
        matches!(self, Self::Uefi | Self::MdUefi)
    }

    pub fn boots_from_md(self) -> bool {
        matches!(self, Self::Md | Self::MdUefi)
    }
}

impl FromStr for Release {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "bookworm" => Self::Bookworm,
            "trixie" => Self::Trixie,
            other => bail!("unknown release {other:?}; known: bookworm, trixie"),
        })
    }
}

impl FromStr for Flavour {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|flavour| flavour.name() == name);
        found.ok_or_else(|| {
            anyhow::anyhow!("unknown flavour {name:?}; known: bios, uefi, md, md-uefi")
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hears what takes long.
pub type Say<'a> = &'a dyn Fn(&str);

/// The disk of a release and flavour, for servers to make overlays of; made if the cache lacks it.
///
/// # Errors
/// What a step says.
pub fn get(cache: &Cache, release: Release, flavour: Flavour, say: Say<'_>) -> Result<PathBuf> {
    let root = root::get(cache, release, say)?;
    let plain = disk::get(cache, &root, say)?;
    match flavour.boots_from_md() {
        false => Ok(plain),
        true => disk::mirrored(cache, &root, &plain, say),
    }
}

/// A step's product together with the key of what it was made from.
#[derive(Debug, Clone)]
struct Made {
    folder: PathBuf,
    key: String,
    release: Release,
}

impl Made {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
