//! Ceph OSDs: what lies and runs on the server.

use h8lio_model::inventory::Problem;

use super::Fingerprint;

/// Reads the server's OSDs.
pub trait OsdHost {
    /// Cheap. Changes when an OSD's directory or socket appears or goes, or when a process seen
    /// by the last [`OsdHost::osds`] has ended.
    fn fingerprint(&self) -> Fingerprint;

    /// Directories and processes: a walk over `/proc`.
    fn osds(&self) -> RawOsds;

    /// Dearest: `ceph-volume lvm list` (a second of Python), or `lvs` where there is none
    /// (cephadm, Rook). `None`: neither is installed.
    ///
    /// # Errors
    /// When a tool is there and did not answer.
    fn volumes(&self) -> Result<Option<RawVolumes>, Problem>;
}

/// What was found without asking a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOsds {
    pub dirs: Vec<RawOsdDir>,
    /// Ids of running `ceph-osd` processes; `None`: `/proc` cannot be read.
    pub running: Option<Vec<RawOsdProcess>>,
    pub problems: Vec<Problem>,
}

/// Which layout a directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RawLayout {
    /// `/var/lib/ceph/osd/<cluster>-<id>`.
    Packages,
    /// `/var/lib/ceph/<fsid>/osd.<id>`.
    Cephadm,
    /// `/var/lib/rook/<namespace>/<fsid>_<osd fsid>`.
    Rook,
}

/// One OSD data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawOsdDir {
    pub layout: RawLayout,
    /// For messages.
    pub path: String,
    /// From the directory's name or its file `whoami`; `None`: neither says.
    pub id: Option<u32>,
    /// Files `fsid` and `ceph_fsid`, or the directory's name.
    pub fsid: Option<String>,
    pub cluster_fsid: Option<String>,
    /// Kernel names of the devices behind `block`, `block.db` and `block.wal`.
    pub devices: Vec<String>,
}

/// One running `ceph-osd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawOsdProcess {
    pub pid: u32,
    pub id: u32,
    /// `--fsid` or the cluster named on its command line.
    pub cluster_fsid: Option<String>,
}

/// The answer of one of two tools.
#[derive(Debug, Clone, PartialEq)]
pub enum RawVolumes {
    /// `ceph-volume lvm list --format json`.
    CephVolume(serde_json::Value),
    /// `lvs --reportformat json -o lv_name,vg_name,lv_path,lv_tags,devices`.
    Lvs(serde_json::Value),
}
