//! Who else owns disks: other ways to run OSDs, and ZFS, which replaces disks by itself.

use super::{Manager, Seen, manager};

pub(super) fn managers(seen: &Seen<'_>) -> Vec<Manager> {
    vec![
        manager(
            "cephadm",
            [
                seen.entries("/var/lib/ceph", is_uuid),
                seen.units_where(|unit| {
                    // ceph-<fsid>@osd.7.service
                    unit.strip_prefix("ceph-")
                        .and_then(|rest| rest.split_once('@'))
                        .is_some_and(|(fsid, daemon)| is_uuid(fsid) && daemon.starts_with("osd."))
                }),
            ],
        ),
        manager(
            "rook",
            [
                seen.entries("/var/lib/rook", |_| true),
                seen.pods(|namespace, name| {
                    namespace == "rook-ceph" || name.starts_with("rook-ceph-osd-")
                }),
            ],
        ),
        manager(
            "ceph packages",
            [seen.units_where(|unit| {
                unit.strip_prefix("ceph-osd@")
                    .and_then(|rest| rest.strip_suffix(".service"))
                    .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
            })],
        ),
        manager(
            "zfs",
            [seen.units(&["zfs-zed.service"]), seen.processes(&["zed"])],
        ),
    ]
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}
