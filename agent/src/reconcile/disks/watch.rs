//! Keeps the picture of drives and OSDs fresh at little cost: reads what is due, and judges anew
//! only when something was read.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use h8lio_model::inventory::{Disk, DiskFacts, Health, OsdFacts, Problem};
use jiff::{SignedDuration, Timestamp};

use super::assess::{Beside, SmartAnswers, assess, verdict};
use super::{history, osds, raid};
use crate::host::Fingerprint;
use crate::host::disks::{DiskHost, RawDrive, RawDrives, RawSignatures};
use crate::host::osds::{OsdHost, RawOsds, RawVolumes};
use crate::reconcile::cadence::{DearRead, RARE, SLOW, USUAL};

/// While an OSD is down, its return is looked for this often: not every start shows in the
/// fingerprint.
const WHILE_DOWN: SignedDuration = SignedDuration::from_secs(30);

/// Disks behind controllers that are asked in one round, one after the other.
const MOST_MEMBERS: usize = 128;

/// What is known of the server's drives and OSDs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskView {
    pub disks: DiskFacts,
    pub osds: OsdFacts,
    /// Degrees Celsius by disk key, from each drive's last answer.
    pub temperatures: BTreeMap<String, i32>,
}

/// Remembers what was read when.
#[derive(Debug)]
pub struct DiskWatch {
    listing: DearRead,
    processes: DearRead,
    volume_read: DearRead,
    drives: RawDrives,
    signatures: Result<BTreeMap<String, RawSignatures>, Problem>,
    smart: BTreeMap<String, (Identity, DearRead)>,
    answers: SmartAnswers,
    member_read: DearRead,
    member_problem: Option<Problem>,
    kernel_problem: Option<Problem>,
    beside: Beside,
    osds: RawOsds,
    volumes: Result<Option<RawVolumes>, Problem>,
    view: DiskView,
}

/// Tells whether a device name still means the drive that was asked.
type Identity = (Option<String>, Option<String>, u64);

impl Default for DiskWatch {
    fn default() -> Self {
        Self {
            listing: DearRead::every(USUAL),
            processes: DearRead::every(USUAL),
            volume_read: DearRead::every(RARE),
            drives: RawDrives::default(),
            signatures: Ok(BTreeMap::new()),
            smart: BTreeMap::new(),
            answers: SmartAnswers::new(),
            member_read: DearRead::every(SLOW),
            member_problem: None,
            kernel_problem: None,
            beside: Beside::default(),
            osds: RawOsds::default(),
            volumes: Ok(None),
            view: DiskView::default(),
        }
    }
}

impl DiskWatch {
    /// The present picture. Call it on every tick; most calls cost two fingerprints.
    pub fn look(&mut self, disks: &dyn DiskHost, osds: &dyn OsdHost, now: Timestamp) -> &DiskView {
        let read = [
            self.read_listing(disks, now),
            self.read_smart(disks, now),
            self.read_kernel(disks, now),
            self.read_members(disks, now),
            self.read_processes(osds, now),
            self.read_volumes(osds, now),
        ];
        if read.contains(&true) {
            self.judge(now);
        }
        &self.view
    }

    fn read_listing(&mut self, host: &dyn DiskHost, now: Timestamp) -> bool {
        let print = host.fingerprint();
        let due = self.listing.is_due(print, now);
        if due {
            self.drives = host.drives();
            self.signatures = host.signatures();
            self.listing.done(print, now);
        }
        due
    }

    fn read_smart(&mut self, host: &dyn DiskHost, now: Timestamp) -> bool {
        let present: BTreeMap<&str, Identity> = self
            .drives
            .drives
            .iter()
            .map(|d| (d.device.as_str(), identity(d)))
            .collect();
        self.smart
            .retain(|device, (who, _)| present.get(device.as_str()) == Some(who));
        self.answers
            .retain(|device, _| self.smart.contains_key(device));
        let mut read = false;
        for (device, who) in present {
            let entry = self.smart.entry(device.to_owned());
            let (_, due) = entry.or_insert_with(|| (who, DearRead::every(SLOW)));
            if due.is_due(Fingerprint::default(), now) {
                let answer = host.smart(device);
                let again = if answer.is_ok() { SLOW } else { USUAL };
                due.done_for(again, Fingerprint::default(), now);
                self.answers.insert(device.to_owned(), answer);
                read = true;
                if let Some(drive) = self.drives.drives.iter().find(|d| d.device == device) {
                    let says = verdict(drive, self.answers.get(device)).health;
                    let history = &mut self.beside.history;
                    history.heard(&history::name(drive), &says, now);
                }
            }
        }
        read
    }

    fn read_kernel(&mut self, host: &dyn DiskHost, now: Timestamp) -> bool {
        let told = host.kernel_errors();
        let mut changed = self.kernel_problem != told.problem;
        self.kernel_problem = told.problem;
        self.beside.kernel_log = self.kernel_problem.is_none();
        for error in told.errors {
            let drive = self.drives.drives.iter().find(|d| d.device == error.device);
            let Some(name) = drive.map(history::name) else {
                continue;
            };
            let age = SignedDuration::try_from(error.age).unwrap_or(SignedDuration::MAX);
            let at = now.checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH);
            if self.beside.history.unreadable(&name, error.sector, at) {
                // The drive said nothing now; only the sectors are weighed.
                let silent = Health::Unknown {
                    reason: String::new(),
                };
                self.beside.history.heard(&name, &silent, now);
                changed = true;
            }
        }
        changed
    }

    /// Looks behind controllers only while something may be their volume.
    fn read_members(&mut self, host: &dyn DiskHost, now: Timestamp) -> bool {
        let of_volumes = self.drives.drives.iter().any(|d| {
            let says = |d: &RawDrive| verdict(d, self.answers.get(&d.device)).health;
            raid::volume_of(d).is_some() && raid::role(d, &says(d)).is_some()
        });
        if !of_volumes {
            self.member_read = DearRead::every(SLOW);
            self.member_problem = None;
            let any = !self.beside.members.is_empty();
            self.beside.members.clear();
            return any;
        }
        if !self.member_read.is_due(Fingerprint::default(), now) {
            return false;
        }
        let found = host.members();
        self.member_read.done_for(
            if found.is_ok() { SLOW } else { USUAL },
            Fingerprint::default(),
            now,
        );
        self.member_problem = found.as_ref().err().cloned();
        let members = found.unwrap_or_default().into_iter().take(MOST_MEMBERS);
        self.beside.members = members
            .map(|member| {
                let answer = host.smart_of(&member);
                (member, answer)
            })
            .collect();
        for (member, answer) in &self.beside.members {
            let says = answer.as_ref().map(|a| super::smart::read(a).health);
            if let Ok(says) = says {
                let name = raid::name(member, answer);
                self.beside.history.heard(&name, &says, now);
            }
        }
        true
    }

    fn read_processes(&mut self, host: &dyn OsdHost, now: Timestamp) -> bool {
        let print = host.fingerprint();
        let due = self.processes.is_due(print, now);
        if due {
            self.osds = host.osds();
            self.processes.done(print, now);
        }
        due
    }

    fn read_volumes(&mut self, host: &dyn OsdHost, now: Timestamp) -> bool {
        if !self.may_have_osds() {
            let nothing = Ok(None);
            let changed = self.volumes != nothing;
            self.volumes = nothing;
            self.volume_read = DearRead::every(RARE);
            return changed;
        }
        let print = self.volume_print();
        let due = self.volume_read.is_due(print, now);
        if due {
            self.volumes = host.volumes();
            let again = if self.volumes.is_ok() { RARE } else { USUAL };
            self.volume_read.done_for(again, print, now);
        }
        due
    }

    /// Whether anything points to OSDs; most servers need never ask LVM.
    fn may_have_osds(&self) -> bool {
        let running = self.osds.running.as_ref().is_some_and(|r| !r.is_empty());
        let lvm = self.signatures.iter().flatten().any(|(_, s)| {
            let kind = s.fs_type.as_deref().unwrap_or_default();
            kind == "LVM2_member" || kind.starts_with("ceph")
        });
        running || lvm || !self.osds.dirs.is_empty()
    }

    /// What ceph-volume's answer depends on, without mounts, which change all day.
    fn volume_print(&self) -> Fingerprint {
        let mut hash = DefaultHasher::new();
        for d in &self.drives.drives {
            (&d.device, identity(d), &d.holders).hash(&mut hash);
            for p in &d.partitions {
                (&p.device, &p.holders).hash(&mut hash);
            }
        }
        for (name, v) in &self.drives.virtuals {
            (name, &v.dm_name).hash(&mut hash);
        }
        for dir in &self.osds.dirs {
            (&dir.path, &dir.fsid).hash(&mut hash);
        }
        Fingerprint(hash.finish())
    }

    fn judge(&mut self, now: Timestamp) {
        let (drives, answers) = (&self.drives, &self.answers);
        let mut assessed = assess(drives, &self.signatures, answers, &self.beside, now);
        let more = self.kernel_problem.iter().chain(&self.member_problem);
        assessed.facts.problems.extend(more.cloned());
        let disks: &mut Vec<Disk> = &mut assessed.facts.disks;
        let found = osds::assess(&self.osds, &self.volumes, &self.drives, disks);
        osds::mark(disks, &found.osds);
        let down = found.osds.iter().any(|o| o.running == Some(false));
        self.processes
            .set_period(if down { WHILE_DOWN } else { USUAL });
        self.view = DiskView {
            disks: assessed.facts,
            osds: found,
            temperatures: assessed.temperatures,
        };
    }
}

fn identity(drive: &RawDrive) -> Identity {
    (drive.wwid.clone(), drive.serial.clone(), drive.size_bytes)
}
