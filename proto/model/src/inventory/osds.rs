use serde::{Deserialize, Serialize};

use super::{DiskKey, Problem};

/// The Ceph OSDs found on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OsdFacts {
    pub osds: Vec<Osd>,
    pub problems: Vec<Problem>,
}

/// One OSD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Osd {
    pub id: u32,
    pub fsid: Option<String>,
    pub cluster_fsid: Option<String>,
    pub device_class: Option<String>,
    pub encrypted: Option<bool>,
    /// The drives below its data, DB and WAL.
    pub disks: Vec<DiskKey>,
    /// Whether its process runs.
    pub running: Option<bool>,
    pub manager: OsdManager,
}

/// Who made the OSD and looks after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OsdManager {
    /// Distribution packages and `ceph-volume`: systemd units `ceph-osd@N`.
    Packages,
    Cephadm,
    Rook,
    Unknown,
}
