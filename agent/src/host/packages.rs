//! Installed software, what waits and whether a reboot is wanted, as the host's tools print it.

use h8lio_model::inventory::Problem;
use jiff::Timestamp;

/// The package manager, read only: no lock is taken and nothing is changed or downloaded.
pub trait PackagesHost: Send + Sync {
    /// What [`PackagesHost::packages`] depends on, read from a few inodes. Cheap: meant for every
    /// period.
    fn fingerprint(&self) -> PackagesFingerprint;

    /// Everything about packages. Dear (seconds of CPU): meant for when the fingerprint changed,
    /// and every few hours besides, because libraries mapped by process 1 and services that use
    /// replaced files are in no inode's time.
    fn packages(&self) -> RawPackages;
}

/// Changes whenever a package was installed, removed or configured, the index refreshed, a reboot
/// asked for, or the server booted. Two equal fingerprints mean that [`PackagesHost::packages`]
/// would most likely answer the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackagesFingerprint {
    /// Boot id, or empty where it could not be read.
    pub boot: String,
    /// Path and, where it exists, its modification time in nanoseconds since 1970 and its size.
    pub files: Vec<(String, Option<(i128, u64)>)>,
}

/// Raw outputs; `None` means that the thing could not be asked, and then a problem says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPackages {
    /// `apt` when both apt-get and dpkg-query are there.
    pub manager: Option<String>,
    /// `dpkg-query -W` in [`DPKG_FORMAT`].
    pub installed: Option<Vec<u8>>,
    /// What `dpkg --audit` printed. Its exit code says nothing: it is 0 for broken systems too.
    pub audit: Option<Vec<u8>>,
    /// Names of the files in dpkg's journal; anything there means that dpkg runs or was cut off.
    pub journal: Option<Vec<String>>,
    /// Package managers that run at this moment, by process name.
    pub busy: Vec<String>,
    /// `apt-get --simulate dist-upgrade`.
    pub upgrade: Option<Vec<u8>>,
    /// When the index was last refreshed; `None` also when there is no index.
    pub index_updated_at: Option<Timestamp>,
    pub reboot: RawReboot,
    pub problems: Vec<Problem>,
}

/// What the sources of "reboot required" say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawReboot {
    /// Whether the distribution's sentinel file exists, with the content of its `.pkgs`
    /// companion. `None`: could not be looked at.
    pub sentinel: Option<RawSentinel>,
    /// `needrestart -b -r l`.
    pub needrestart: Option<Vec<u8>>,
    /// `/proc/1/maps`.
    pub init_maps: Option<Vec<u8>>,
    /// Release of the running kernel.
    pub running_kernel: Option<String>,
}

/// The sentinel file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawSentinel {
    pub present: bool,
    pub packages: Vec<u8>,
}

/// Output format asked of `dpkg-query`: abbreviated status, name, architecture, version.
pub const DPKG_FORMAT: &str =
    "${db:Status-Abbrev}\\t${binary:Package}\\t${Architecture}\\t${Version}\\n";
