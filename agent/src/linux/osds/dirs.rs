//! OSD data directories.
//!
//! | Layout | Directory |
//! |---|---|
//! | packages | `/var/lib/ceph/osd/<cluster>-<id>` |
//! | cephadm | `/var/lib/ceph/<cluster fsid>/osd.<id>` |
//! | Rook | `/var/lib/rook/<namespace>/<cluster fsid>_<osd fsid>` |

use h8lio_model::inventory::Problem;

use crate::host::osds::{RawLayout, RawOsdDir};
use crate::linux::root::{Root, unreadable};

const PACKAGES: &str = "var/lib/ceph/osd";
const CEPH: &str = "var/lib/ceph";
const ROOK: &str = "var/lib/rook";

/// Folders whose change may mean that an OSD came or went.
pub(super) const FOLDERS: [&str; 3] = [PACKAGES, CEPH, ROOK];

pub(super) fn dirs(root: &Root, problems: &mut Vec<Problem>) -> Vec<RawOsdDir> {
    let mut all = Vec::new();
    for name in listed(root, PACKAGES, problems) {
        let id = name.rsplit_once('-').and_then(|(_, id)| id.parse().ok());
        let folder = format!("{PACKAGES}/{name}");
        all.push(dir(root, RawLayout::Packages, &folder, id, None));
    }
    for cluster in listed(root, CEPH, problems) {
        if !is_uuid(&cluster) {
            continue;
        }
        for name in listed(root, &format!("{CEPH}/{cluster}"), problems) {
            let id: Option<u32> = name.strip_prefix("osd.").and_then(|id| id.parse().ok());
            if id.is_some() {
                let folder = format!("{CEPH}/{cluster}/{name}");
                let fsids = Some((cluster.as_str(), None));
                all.push(dir(root, RawLayout::Cephadm, &folder, id, fsids));
            }
        }
    }
    for namespace in listed(root, ROOK, problems) {
        for name in listed(root, &format!("{ROOK}/{namespace}"), problems) {
            let fsids = name
                .split_once('_')
                .filter(|(cluster, osd)| is_uuid(cluster) && is_uuid(osd));
            if let Some((cluster, osd)) = fsids {
                let folder = format!("{ROOK}/{namespace}/{name}");
                let fsids = Some((cluster, Some(osd)));
                all.push(dir(root, RawLayout::Rook, &folder, None, fsids));
            }
        }
    }
    all
}

fn dir(
    root: &Root,
    layout: RawLayout,
    folder: &str,
    id: Option<u32>,
    fsids: Option<(&str, Option<&str>)>,
) -> RawOsdDir {
    let uuid = |file: &str| {
        let text = root.value(format!("{folder}/{file}"))?;
        is_uuid(&text).then(|| text.to_ascii_lowercase())
    };
    let named_cluster = fsids.map(|(cluster, _)| cluster.to_ascii_lowercase());
    let named_osd = fsids.and_then(|(_, osd)| osd).map(str::to_ascii_lowercase);
    RawOsdDir {
        layout,
        path: format!("/{folder}"),
        id: root.number(format!("{folder}/whoami")).or(id),
        fsid: uuid("fsid").or(named_osd),
        cluster_fsid: uuid("ceph_fsid").or(named_cluster),
        devices: devices(root, folder),
    }
}

/// Kernel names behind the links; a link to a device that is gone names none.
fn devices(root: &Root, folder: &str) -> Vec<String> {
    ["block", "block.db", "block.wal"]
        .iter()
        .filter_map(|link| root.link(format!("{folder}/{link}")))
        .filter_map(|target| std::fs::canonicalize(root.join(target)).ok())
        .filter_map(|path| {
            let name = path.strip_prefix(root.join("dev")).ok()?;
            Some(name.to_string_lossy().into_owned())
        })
        .collect()
}

/// Names in a folder that may well be missing; any other failure is a problem.
fn listed(root: &Root, folder: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    root.list(folder).unwrap_or_else(|e| {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        if !matches!(e.kind(), NotFound | NotADirectory) {
            problems.push(unreadable(&format!("/{folder}"), &e));
        }
        Vec::new()
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
