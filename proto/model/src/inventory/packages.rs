use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::ids::BootId;
use crate::order::AttemptId;

/// Installed software and what waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PackageFacts {
    /// `apt`; `None` when no known package manager is there.
    pub manager: Option<String>,
    pub installed: Option<u32>,
    /// `None`: could not be told (no index, apt failed).
    pub upgradable: Option<Vec<UpgradablePackage>>,
    /// Packages that a full upgrade would add, as each kernel comes; `None`: could not be told, or
    /// the agent is older than this field.
    pub arriving: Option<Vec<NewPackage>>,
    /// `None`: could not be told, or the agent is older than this field.
    pub kernel: Option<KernelFacts>,
    /// Packages held back by an administrator.
    pub held: Vec<String>,
    /// Packages that a full upgrade would leave as they are, because of holds or dependencies.
    pub kept_back: Vec<String>,
    /// Packages in a state that dpkg must repair.
    pub broken: Vec<BrokenPackage>,
    /// dpkg was cut off in the middle of its work, and none runs now; `None`: cannot be told.
    pub interrupted: Option<bool>,
    /// Package managers at work while this was read: half-done states are then normal.
    pub busy: Vec<String>,
    /// When the package index was last refreshed.
    pub index_updated_at: Option<Timestamp>,
    pub reboot_required: RebootRequired,
    /// Services that still use files which an update replaced.
    pub services_to_restart: Vec<String>,
    /// The boot in which this was read; `None`: it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<BootId>,
    /// The last attempt that had ended when this was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<AttemptId>,
    pub problems: Vec<Problem>,
}

/// A package for which a newer version is offered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradablePackage {
    pub name: String,
    pub architecture: String,
    pub installed: String,
    pub candidate: String,
    /// The candidate comes from a security archive.
    pub security: bool,
    /// Archive that offers it, for example `Debian-Security:12/stable-security`.
    pub origin: String,
}

/// A package that is not installed, and that an upgrade would install.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPackage {
    pub name: String,
    pub architecture: String,
    pub version: String,
    /// It comes from a security archive.
    pub security: bool,
    /// Archive that offers it.
    pub origin: String,
}

/// The running kernel among the installed ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelFacts {
    /// Release of the kernel that runs (`uname -r`).
    pub running: String,
    /// The newest installed release of the running flavour; `None`: no package has one that is as
    /// new as the one that runs.
    pub newest: Option<String>,
}

/// A package that is half-installed or half-configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokenPackage {
    pub name: String,
    /// dpkg's word, for example `half-configured` or `reinst-required`.
    pub state: String,
}

/// Whether a reboot is wanted, and who says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RebootRequired {
    /// `None`: it cannot be told, because nothing asks for one and a source could not be asked.
    pub required: Option<bool>,
    pub reasons: Vec<RebootReason>,
}

/// One source that wants a reboot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum RebootReason {
    /// The running kernel is not the newest installed one.
    Kernel { running: String, installed: String },
    /// The distribution's sentinel file names these packages.
    Sentinel { packages: Vec<String> },
    /// Newer CPU microcode than the loaded one is installed.
    Microcode { loaded: String, installed: String },
    /// Process 1 still maps libraries that were replaced.
    InitLibraries { libraries: Vec<String> },
}
