//! What drives said and did before. One good answer does not make a failing drive well, and one
//! bad sector does not make a drive fail: `DiskFailing` has a memory in both directions.
//!
//! The memory lives as long as the agent; after a restart the drive's own log and the kernel's
//! begin it anew. Drives are known by WWN or serial, so a drive that falls off its bus and comes
//! back under another name is the same.

use std::collections::BTreeMap;

use h8lio_model::inventory::Health;
use jiff::{SignedDuration, Timestamp};

use crate::host::disks::RawDrive;

/// A drive that failed must be well for so long,
const WELL_FOR: SignedDuration = SignedDuration::from_hours(24);
/// and say so this often, before it counts as well: a wall clock that jumps proves nothing.
const WELL_ANSWERS: u32 = 3;

/// Sectors that the kernel could not read or write count for so long.
const SECTORS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// This many different ones mean that the drive fails. A single one is usual over a drive's life,
/// and Ceph writes it anew from another copy.
const MANY_SECTORS: usize = 5;

/// Sectors remembered of one drive.
const MOST_SECTORS: usize = 1000;

/// The memory of all drives.
#[derive(Debug, Clone, Default)]
pub struct History {
    drives: BTreeMap<String, Drive>,
}

#[derive(Debug, Clone, Default)]
struct Drive {
    failed: Option<Failed>,
    /// Sectors that could not be read or written, with the last time.
    sectors: BTreeMap<u64, Timestamp>,
}

#[derive(Debug, Clone)]
struct Failed {
    evidence: Vec<String>,
    last: Timestamp,
    /// Good answers since.
    good: u32,
}

/// What is remembered of one drive at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Evidence by the kernel that holds now.
    pub now: Vec<String>,
    /// Evidence of a failure that is not over yet.
    pub before: Vec<String>,
    /// Different sectors that could not be read or written, of the last day.
    pub unreadable_sectors: u32,
}

/// What the memory of a drive hangs by.
pub fn name(drive: &RawDrive) -> String {
    let own = drive.wwid.as_ref().or(drive.serial.as_ref());
    own.unwrap_or(&drive.device).clone()
}

impl History {
    /// The kernel logged a medium error; answers whether the sector is a new one.
    pub fn unreadable(&mut self, drive: &str, sector: u64, at: Timestamp) -> bool {
        let drive = self.drives.entry(drive.to_owned()).or_default();
        if drive.sectors.len() >= MOST_SECTORS {
            drive
                .sectors
                .retain(|_, seen| at.duration_since(*seen) < SECTORS_FOR);
            if drive.sectors.len() >= MOST_SECTORS {
                return false;
            }
        }
        drive.sectors.insert(sector, at).is_none()
    }

    /// The drive was asked, or the kernel told of it: what it says now is remembered.
    pub fn heard(&mut self, drive: &str, says: &Health, now: Timestamp) {
        let mut evidence = match says {
            Health::Failing { evidence } => evidence.clone(),
            Health::Healthy | Health::Unknown { .. } => Vec::new(),
        };
        evidence.extend(self.many_sectors(drive, now));
        if !evidence.is_empty() {
            let failed = Failed {
                evidence,
                last: now,
                good: 0,
            };
            self.drives.entry(drive.to_owned()).or_default().failed = Some(failed);
        } else if *says == Health::Healthy {
            self.well(drive, now);
        }
        // An answer that says nothing is no recovery.
    }

    fn well(&mut self, drive: &str, now: Timestamp) {
        let Some(known) = self.drives.get_mut(drive) else {
            return;
        };
        known.failed = known.failed.take().and_then(|mut failed| {
            failed.good = failed.good.saturating_add(1);
            // Seen in the future: the clock was wrong then.
            failed.last = failed.last.min(now);
            let over = failed.good >= WELL_ANSWERS && now.duration_since(failed.last) >= WELL_FOR;
            (!over).then_some(failed)
        });
    }

    fn recent(&self, drive: &str, now: Timestamp) -> Vec<(u64, Timestamp)> {
        let sectors = self.drives.get(drive).map(|d| &d.sectors);
        let all = sectors.into_iter().flatten().map(|(s, at)| (*s, *at));
        all.filter(|(_, at)| now.duration_since(*at) < SECTORS_FOR)
            .collect()
    }

    fn many_sectors(&self, drive: &str, now: Timestamp) -> Option<String> {
        let recent = self.recent(drive, now);
        (recent.len() >= MANY_SECTORS).then(|| {
            let first: Vec<_> = recent.iter().take(3).map(|(s, _)| s.to_string()).collect();
            format!(
                "the kernel could not read or write {} sectors within a day, sector {} among them",
                recent.len(),
                first.join(", ")
            )
        })
    }

    /// What counts of it now.
    pub fn past(&self, drive: &RawDrive, now: Timestamp) -> Past {
        let name = name(drive);
        let commands = drive
            .failed_commands
            .filter(|n| *n > 0)
            .map(|n| format!("{n} of its commands failed since it was attached (ioerr_cnt)"));
        let sectors = self.many_sectors(&name, now);
        Past {
            now: sectors
                .into_iter()
                .flat_map(|s| [Some(s), commands.clone()])
                .flatten()
                .collect(),
            before: self.past_of(&name).before,
            unreadable_sectors: u32::try_from(self.recent(&name, now).len()).unwrap_or(u32::MAX),
        }
    }

    /// The same of a drive that the kernel does not know.
    pub fn past_of(&self, name: &str) -> Past {
        let failed = self.drives.get(name).and_then(|d| d.failed.as_ref());
        Past {
            before: failed.map_or_else(Vec::new, |f| f.evidence.clone()),
            ..Past::default()
        }
    }
}

impl Past {
    /// What `says` means in the light of it.
    pub fn weigh(&self, says: Health) -> Health {
        let mut evidence = match &says {
            Health::Failing { evidence } => evidence.clone(),
            Health::Healthy | Health::Unknown { .. } => Vec::new(),
        };
        evidence.extend(self.now.iter().cloned());
        if evidence.is_empty() {
            let held = |e: &String| format!("{e} (before; it must be well for a day)");
            evidence.extend(self.before.iter().map(held));
        }
        if evidence.is_empty() {
            return says;
        }
        Health::Failing { evidence }
    }
}

#[cfg(test)]
mod tests;
