//! The logical volumes of OSDs, from `ceph-volume lvm list` or from `lvs`: both show the tags
//! that ceph-volume writes.
//!
//! The tags hold a dm-crypt secret (`ceph.cephx_lockbox_secret`). It is never copied, and no
//! message here quotes what a tool printed.

use std::collections::BTreeMap;

use h8lio_model::inventory::Problem;
use serde_json::Value;

use crate::host::osds::RawVolumes;

/// One volume that belongs to an OSD: data, DB or WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) osd_id: u32,
    pub(super) osd_fsid: Option<String>,
    pub(super) cluster_fsid: Option<String>,
    pub(super) device_class: Option<String>,
    pub(super) encrypted: Option<bool>,
    /// `/dev/…` of the physical volumes.
    pub(super) devices: Vec<String>,
}

/// All OSD volumes, or why the answer makes no sense. Half an answer is none: a volume left out
/// could be the reason not to touch a disk.
pub(super) fn understand(raw: &RawVolumes) -> Result<Vec<Volume>, Problem> {
    match raw {
        RawVolumes::CephVolume(json) => ceph_volume(json).ok_or("ceph-volume lvm list"),
        RawVolumes::Lvs(json) => lvs(json).ok_or("lvs"),
    }
    .map_err(|tool| Problem {
        what: tool.into(),
        reason: "NotUnderstood".into(),
        message: format!(
            "the answer of {tool} has another shape than expected; OSDs are known only by their \
             directories and processes; report the tool's version"
        ),
    })
}

fn ceph_volume(json: &Value) -> Option<Vec<Volume>> {
    let mut all = Vec::new();
    for (id, volumes) in json.as_object()? {
        let osd_id: u32 = id.parse().ok()?;
        for v in volumes.as_array()? {
            let tags: BTreeMap<&str, &str> = v["tags"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
                .collect();
            let devices = v["devices"].as_array().into_iter().flatten();
            let devices = devices
                .map(|d| d.as_str().map(Into::into))
                .collect::<Option<_>>()?;
            all.push(volume(osd_id, &tags, devices));
        }
    }
    Some(all)
}

fn lvs(json: &Value) -> Option<Vec<Volume>> {
    let mut all = Vec::new();
    for report in json["report"].as_array()? {
        for lv in report["lv"].as_array()? {
            let tags: BTreeMap<&str, &str> = lv["lv_tags"]
                .as_str()?
                .split(',')
                .filter_map(|t| t.split_once('='))
                .collect();
            let Some(id) = tags.get("ceph.osd_id") else {
                continue;
            };
            // `/dev/sda(0),/dev/sdb(12)`: device and first extent.
            let devices = lv["devices"].as_str()?.split(',');
            let devices = devices
                .filter_map(|d| d.rsplit_once('(').map(|(d, _)| d.to_owned()))
                .collect();
            all.push(volume(id.parse().ok()?, &tags, devices));
        }
    }
    Some(all)
}

fn volume(osd_id: u32, tags: &BTreeMap<&str, &str>, devices: Vec<String>) -> Volume {
    let tag = |name: &str| {
        let text = tags.get(name).filter(|t| !t.is_empty() && **t != "None");
        text.map(|t| (*t).to_owned())
    };
    Volume {
        osd_id,
        osd_fsid: tag("ceph.osd_fsid"),
        cluster_fsid: tag("ceph.cluster_fsid"),
        device_class: tag("ceph.crush_device_class"),
        encrypted: match tags.get("ceph.encrypted").copied() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        },
        devices,
    }
}
