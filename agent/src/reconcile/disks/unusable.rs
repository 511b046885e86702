//! Why a disk is not free for a new OSD. Every doubt is a reason: a wrong "no" costs a question,
//! a wrong "yes" costs a customer's data.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::{DiskKey, Health, Problem, Signature, UnusableReason};

use super::text::for_people;
use crate::host::disks::{RawDrive, RawDrives, RawSignatures};

/// ceph-volume refuses smaller devices.
const SMALLEST: u64 = 5 << 30;

/// How the GPT partition types of ceph-disk, the predecessor of ceph-volume, begin: data,
/// journal, block, DB, WAL.
const CEPH_DISK_PARTITIONS: [&str; 5] = [
    "4fbd7e29-",
    "45b0969e-",
    "cafecafe-",
    "30cd0809-",
    "5ce17fce-",
];

/// What is read per device name; an error: nothing is known of any.
pub(super) type Signatures = Result<BTreeMap<String, RawSignatures>, Problem>;

/// One drive with everything that is built on it.
pub(super) struct Stack<'a> {
    pub(super) drive: &'a RawDrive,
    all: &'a RawDrives,
    signatures: &'a Signatures,
    /// Kernel names: the drive, its partitions, and all that is built on them.
    members: BTreeSet<&'a str>,
}

impl<'a> Stack<'a> {
    pub(super) fn of(drive: &'a RawDrive, all: &'a RawDrives, signatures: &'a Signatures) -> Self {
        Self {
            drive,
            all,
            signatures,
            members: members(drive, all),
        }
    }

    pub(super) fn raw_signatures(&self, device: &str) -> Option<&'a RawSignatures> {
        self.signatures.as_ref().ok()?.get(device)
    }

    /// Signatures on one device; a partition table counts only on the whole drive, because
    /// lsblk repeats it on each partition.
    pub(super) fn signatures_on(&self, device: &str) -> Vec<Signature> {
        let Some(raw) = self.raw_signatures(device) else {
            return Vec::new();
        };
        let id = raw.fs_uuid.as_ref().or(raw.fs_label.as_ref());
        let fs = raw.fs_type.as_ref().map(|kind| Signature {
            kind: for_people(kind).unwrap_or_default(),
            id: id.and_then(|id| for_people(id)),
        });
        let table = raw.table.as_ref().filter(|_| device == self.drive.device);
        let table = table.map(|kind| Signature {
            kind: for_people(kind).unwrap_or_default(),
            id: None,
        });
        fs.into_iter().chain(table).collect()
    }

    /// Where the drive or anything on it is mounted; swap is `[SWAP]`.
    pub(super) fn mounts(&self) -> Vec<String> {
        let mounts = self.all.mounts.iter().filter(|m| {
            self.members
                .iter()
                .any(|name| self.is(name, &m.number, &m.source))
        });
        let mut found: BTreeSet<String> = mounts.filter_map(|m| for_people(&m.target)).collect();
        if self
            .all
            .swaps
            .iter()
            .any(|s| self.members.contains(s.as_str()))
        {
            found.insert("[SWAP]".into());
        }
        found.into_iter().collect()
    }

    fn is(&self, name: &str, number: &str, source: &str) -> bool {
        let virt = self.all.virtuals.get(name);
        let own = virt.map(|v| &v.number).or_else(|| {
            let parts = self.drive.partitions.iter();
            let part = parts.filter(|p| p.device == name).map(|p| &p.number);
            let whole = (self.drive.device == name).then_some(&self.drive.number);
            part.chain(whole).next()
        });
        let dm = virt.and_then(|v| v.dm_name.as_deref());
        own.is_some_and(|n| n == number)
            || source.strip_prefix("/dev/") == Some(name)
            || dm.is_some_and(|dm| source.strip_prefix("/dev/mapper/") == Some(dm))
    }

    /// Every reason, sorted; empty only when the disk is proven to be blank and idle.
    pub(super) fn reasons(&self, key: &DiskKey, health: &Health) -> Vec<UnusableReason> {
        let mut all: BTreeSet<UnusableReason> = BTreeSet::new();
        all.extend(self.mounts().into_iter().map(use_of));
        all.extend(self.holders().map(|by| UnusableReason::Held { by }));
        all.extend(self.carried_signatures());
        all.extend(
            self.doubt()
                .map(|why| UnusableReason::SignaturesUnknown { why }),
        );
        if self.looks_like_ceph() {
            all.insert(UnusableReason::CephOsd {
                osd_id: None,
                cluster_fsid: None,
            });
        }
        let partitions = self.drive.partitions.len();
        if partitions > 0 {
            all.insert(UnusableReason::Partitioned {
                count: u32::try_from(partitions).unwrap_or(u32::MAX),
            });
        }
        let size_bytes = self.drive.size_bytes;
        let plain = [
            (
                matches!(key, DiskKey::Unstable(_)),
                UnusableReason::NoStableIdentity,
            ),
            (self.drive.read_only, UnusableReason::ReadOnly),
            (self.drive.removable, UnusableReason::Removable),
            (
                size_bytes < SMALLEST,
                UnusableReason::TooSmall { size_bytes },
            ),
            (
                matches!(health, Health::Failing { .. }),
                UnusableReason::Failing,
            ),
        ];
        all.extend(
            plain
                .into_iter()
                .filter(|(holds, _)| *holds)
                .map(|(_, r)| r),
        );
        all.into_iter().collect()
    }

    fn holders(&self) -> impl Iterator<Item = String> {
        let parts = self.drive.partitions.iter().flat_map(|p| &p.holders);
        self.drive.holders.iter().chain(parts).map(|name| {
            let virt = self.all.virtuals.get(name);
            match virt.and_then(|v| v.dm_name.as_deref()).and_then(for_people) {
                Some(dm) => format!("{name} ({dm})"),
                None => name.clone(),
            }
        })
    }

    fn own_devices(&self) -> impl Iterator<Item = &'a str> {
        let parts = self.drive.partitions.iter().map(|p| p.device.as_str());
        std::iter::once(self.drive.device.as_str()).chain(parts)
    }

    fn carried_signatures(&self) -> impl Iterator<Item = UnusableReason> {
        self.own_devices().flat_map(|device| {
            let on = self.signatures_on(device).into_iter();
            on.map(move |s| UnusableReason::Signature {
                kind: s.kind,
                device: device.to_owned(),
            })
        })
    }

    /// Why "no signature found" would prove nothing, if so.
    fn doubt(&self) -> Option<String> {
        if let Err(problem) = self.signatures {
            return Some(problem.message.clone());
        }
        self.own_devices().find_map(|device| {
            let why = match self.raw_signatures(device) {
                None => "lsblk does not list it",
                Some(raw) if raw.ambiguous => {
                    "it carries several signatures that contradict each other; see `wipefs -n`"
                }
                Some(raw) if !raw.probed => {
                    "udev has not looked at it and the agent may not open it"
                }
                Some(_) => return None,
            };
            Some(format!("{device}: {why}"))
        })
    }

    fn looks_like_ceph(&self) -> bool {
        self.members.iter().any(|name| {
            let raw = self.raw_signatures(name);
            let bluestore = raw
                .and_then(|r| r.fs_type.as_deref())
                .is_some_and(|t| t.starts_with("ceph"));
            let by_type = raw
                .and_then(|r| r.partition_type.as_deref())
                .map(str::to_ascii_lowercase)
                .is_some_and(|t| CEPH_DISK_PARTITIONS.iter().any(|p| t.starts_with(p)));
            let dm = self
                .all
                .virtuals
                .get(*name)
                .and_then(|v| v.dm_name.as_deref());
            // Device-mapper doubles the dashes of `osd-block-<fsid>`.
            let by_name = dm.is_some_and(|dm| {
                ["osd--block--", "osd--db--", "osd--wal--"]
                    .iter()
                    .any(|p| dm.contains(p))
            });
            bluestore || by_type || by_name
        })
    }
}

fn use_of(mount: String) -> UnusableReason {
    let system = matches!(mount.as_str(), "/" | "/usr" | "/etc" | "/var" | "[SWAP]")
        || mount == "/boot"
        || mount.starts_with("/boot/");
    if system {
        UnusableReason::SystemDisk { mount }
    } else {
        UnusableReason::Mounted { mount }
    }
}

/// The drives below each device: itself for a drive, its drive for a partition, all of them for
/// a volume that spans several.
pub(super) fn drives_below(all: &RawDrives) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for drive in &all.drives {
        for name in members(drive, all) {
            below.entry(name).or_default().insert(&drive.device);
        }
    }
    below
}

/// The drive, its partitions, and all that is built on them.
fn members<'a>(drive: &'a RawDrive, all: &'a RawDrives) -> BTreeSet<&'a str> {
    let mut members = BTreeSet::new();
    let mut queue: Vec<&str> = vec![&drive.device];
    queue.extend(drive.partitions.iter().map(|p| p.device.as_str()));
    queue.extend(
        drive
            .partitions
            .iter()
            .flat_map(|p| &p.holders)
            .map(String::as_str),
    );
    queue.extend(drive.holders.iter().map(String::as_str));
    while let Some(name) = queue.pop() {
        if members.insert(name)
            && let Some(virt) = all.virtuals.get(name)
        {
            queue.extend(virt.holders.iter().map(String::as_str));
        }
    }
    members
}
