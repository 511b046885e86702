//! One node in memory: its record, what is heard from it, and the digests of its sections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use h8lio_model::availability::Why;
use h8lio_model::condition::Condition;
use h8lio_model::ids::{NodeId, Rotation};
use h8lio_model::lifecycle::{Availability, Quarantined, Restriction};
use h8lio_model::node::Clusters;
use h8lio_model::section::{Digest, SectionKind};
use jiff::Timestamp;

use super::records::{IssuedRecord, NodeRecord, SeenRecord};
use crate::session::limits::Allowance;
use crate::store::Revision;

/// A record with the revision it was read at, for compare-and-set.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    pub value: T,
    pub revision: Revision,
}

/// A wall clock further from the coordinator's than this is a condition, milliseconds. Well above
/// any network delay, well below what hurts certificates or Ceph (0.05 s is monitored by Ceph
/// itself).
const CLOCK_LIMIT_MS: u64 = 2_000;

/// A node. Cheap to share; each part has its own lock. The path of a beat takes only that of the
/// allowance, which nobody else holds for longer than a few instructions.
#[derive(Debug)]
pub struct Node {
    pub id: NodeId,
    record: RwLock<Arc<Versioned<NodeRecord>>>,
    /// The newest certificate that was used, also before the store knows.
    used: Mutex<Option<IssuedRecord>>,
    aside: Mutex<Option<Aside>>,
    seen: Mutex<Seen>,
    /// Somebody tries again and again to store `used` and `seen`.
    storing: AtomicBool,
    pub live: Live,
    pub allowance: Allowance,
    verdict: Mutex<Verdict>,
    facts: Mutex<Facts>,
}

/// What beats write: atomics only, so that a beat costs no lock and no allocation.
#[derive(Debug, Default)]
pub struct Live {
    /// Monotonic milliseconds of the coordinator + 1; 0: not heard since its start.
    heard: AtomicU64,
    /// Wall clock of the node minus the coordinator's, milliseconds.
    offset_ms: AtomicI64,
    /// Since when that is beyond the limit, wall clock, milliseconds; 0: it is not.
    off_since_ms: AtomicI64,
    /// Beats of the present session, to tell whether an old session still lives.
    pub beats: AtomicU64,
}

impl Live {
    /// Notes that the node was heard at `now` (monotonic).
    pub fn heard(&self, now: Duration) {
        self.heard.fetch_max(millis(now) + 1, Ordering::Relaxed);
    }

    /// When it was last heard, monotonic.
    pub fn last_heard(&self) -> Option<Duration> {
        match self.heard.load(Ordering::Relaxed) {
            0 => None,
            n => Some(Duration::from_millis(n - 1)),
        }
    }

    /// Notes how far the node's wall clock is ahead of the coordinator's, which shows `now`; both
    /// in milliseconds.
    pub fn set_offset(&self, milliseconds: i64, now: i64) {
        self.offset_ms.store(milliseconds, Ordering::Relaxed);
        if milliseconds.unsigned_abs() <= CLOCK_LIMIT_MS {
            self.off_since_ms.store(0, Ordering::Relaxed);
        } else if self.off_since_ms.load(Ordering::Relaxed) == 0 {
            self.off_since_ms.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// How far the node's wall clock is ahead of the coordinator's (milliseconds), and since when,
    /// if that is beyond the limit.
    pub fn clock_off(&self) -> Option<(i64, Timestamp)> {
        let since = match self.off_since_ms.load(Ordering::Relaxed) {
            0 => return None,
            ms => Timestamp::from_millisecond(ms).ok()?,
        };
        Some((self.offset_ms.load(Ordering::Relaxed), since))
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX - 1)
}

/// The observer's judgement, for people and reports.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    pub availability: Availability,
    pub why: Why,
    /// When it began, wall clock.
    pub since: Timestamp,
}

/// A quarantine must not be stored at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quarantine is being ended")]
pub struct Held;

/// What is known of the sections without reading the store.
#[derive(Debug, Default)]
struct Facts {
    digests: BTreeMap<SectionKind, (Digest, Timestamp)>,
    conditions: Vec<Condition>,
    clusters: Clusters,
    /// The latest of what is never stored, JSON.
    volatile: BTreeMap<SectionKind, Bytes>,
}

/// A quarantine that the store does not have yet.
#[derive(Debug)]
struct Aside {
    quarantined: Quarantined,
    /// A person is about to end it: it is not stored meanwhile.
    held: bool,
}

/// What sessions leave behind, and which of its changes the store has.
#[derive(Debug, Default)]
struct Seen {
    value: SeenRecord,
    changes: u64,
    stored: u64,
}

impl Node {
    /// A node as read from the store, not heard yet.
    pub fn new(record: Versioned<NodeRecord>, seen: SeenRecord, now: Timestamp) -> Self {
        Self {
            id: record.value.id,
            record: RwLock::new(Arc::new(record)),
            used: Mutex::default(),
            aside: Mutex::default(),
            seen: Mutex::new(Seen {
                value: seen,
                ..Seen::default()
            }),
            storing: AtomicBool::new(false),
            live: Live::default(),
            allowance: Allowance::default(),
            verdict: Mutex::new(Verdict {
                availability: Availability::WarmingUp,
                why: Why::NotHeardSinceStart,
                since: now,
            }),
            facts: Mutex::default(),
        }
    }

    /// The record as it is now.
    pub fn record(&self) -> Arc<Versioned<NodeRecord>> {
        Arc::clone(&self.record.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over a record that the store has accepted, unless this one or a newer one is here;
    /// says whether it did.
    pub(super) fn set_record(&self, record: Versioned<NodeRecord>) -> bool {
        let mut slot = self.record.write().unwrap_or_else(PoisonError::into_inner);
        let newer = slot.revision < record.revision;
        if newer {
            *slot = Arc::new(record);
        }
        newer
    }

    fn aside_slot(&self) -> MutexGuard<'_, Option<Aside>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Quarantines the identity from this moment on, whatever the store says; `false` when it is
    /// quarantined already.
    pub fn set_aside(&self, quarantined: Quarantined) -> bool {
        let mut aside = self.aside_slot();
        let first = aside.is_none() && self.record().value.quarantined.is_none();
        if first {
            *aside = Some(Aside {
                quarantined,
                held: false,
            });
        }
        first
    }

    /// The quarantine that is still to be stored. An error: a person is about to end it.
    pub fn to_store(&self) -> Result<Option<Quarantined>, Held> {
        match &*self.aside_slot() {
            None => Ok(None),
            Some(aside) if aside.held => Err(Held),
            Some(aside) => Ok(Some(aside.quarantined.clone())),
        }
    }

    /// Keeps a quarantine from being stored while it is being ended, or lets it be stored again;
    /// says whether there is one that the store does not have.
    pub fn hold_aside(&self, held: bool) -> bool {
        let mut aside = self.aside_slot();
        aside.as_mut().map(|a| a.held = held).is_some()
    }

    /// It stands in the store now, or was ended.
    pub fn end_aside(&self) {
        *self.aside_slot() = None;
    }

    /// The quarantine that is in force.
    pub fn quarantined(&self) -> Option<Quarantined> {
        let stored = self.record().value.quarantined.clone();
        stored.or_else(|| self.aside_slot().as_ref().map(|a| a.quarantined.clone()))
    }

    /// What holds the node back: a ban before a quarantine.
    pub fn restriction(&self) -> Option<Restriction> {
        let stored = self.record().value.restriction();
        stored.or_else(|| self.quarantined().map(Restriction::from))
    }

    /// Notes that a certificate was used: from this moment on an older one is a copy's, whatever
    /// the store says.
    pub fn note_used(&self, used: IssuedRecord) {
        let mut slot = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|u| u.rotation <= used.rotation) {
            *slot = Some(used);
        }
    }

    /// The newest certificate that was used in the life of this coordinator.
    pub(super) fn used(&self) -> Option<IssuedRecord> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The highest rotation that the node has proved to hold.
    pub fn acknowledged(&self) -> Rotation {
        let used = self.used().map_or(Rotation(0), |u| u.rotation);
        self.record().value.acknowledged().max(used)
    }

    fn seen_slot(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What earlier sessions left behind.
    pub fn seen(&self) -> SeenRecord {
        self.seen_slot().value.clone()
    }

    /// Changes what sessions leave behind.
    pub fn change_seen(&self, change: impl FnOnce(&mut SeenRecord)) {
        let mut seen = self.seen_slot();
        let before = seen.value.clone();
        change(&mut seen.value);
        if seen.value != before {
            seen.changes += 1;
        }
    }

    /// What the store does not have yet, and the number of its last change.
    pub(super) fn unstored_seen(&self) -> Option<(SeenRecord, u64)> {
        let seen = self.seen_slot();
        (seen.stored < seen.changes).then(|| (seen.value.clone(), seen.changes))
    }

    /// Notes what was stored; answers what has to be stored over it, as it changed meanwhile.
    pub(super) fn seen_stored(&self, change: u64) -> Option<(SeenRecord, u64)> {
        let mut seen = self.seen_slot();
        seen.stored = seen.stored.max(change);
        (seen.changes != change).then(|| (seen.value.clone(), seen.changes))
    }

    /// Whether the store lacks something of what sessions have told.
    pub fn is_behind(&self) -> bool {
        self.record().value.acknowledged() < self.acknowledged() || self.unstored_seen().is_some()
    }

    /// Becomes the one who tries again to store it; `false` when somebody else does.
    pub fn begin_storing(&self) -> bool {
        !self.storing.swap(true, Ordering::SeqCst)
    }

    /// Ends that. Whoever tells something new afterwards begins again.
    pub fn end_storing(&self) {
        self.storing.store(false, Ordering::SeqCst);
    }

    /// The observer's judgement.
    pub fn verdict(&self) -> Verdict {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the observer's judgement.
    pub fn set_verdict(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Digest of the section as the coordinator holds it.
    pub fn digest(&self, kind: SectionKind) -> Option<Digest> {
        self.facts().digests.get(&kind).map(|(d, _)| *d)
    }

    /// When each section was last received or confirmed.
    pub fn observed(&self) -> Vec<(SectionKind, Timestamp)> {
        self.facts()
            .digests
            .iter()
            .map(|(k, (_, at))| (*k, *at))
            .collect()
    }

    /// Notes a section that was received (or loaded) at `at`.
    pub fn set_digest(&self, kind: SectionKind, digest: Digest, at: Timestamp) {
        self.facts().digests.insert(kind, (digest, at));
    }

    /// Notes that a section is still true; `false` when the coordinator holds another.
    pub fn confirm(&self, kind: SectionKind, digest: Digest, at: Timestamp) -> bool {
        match self.facts().digests.get_mut(&kind) {
            Some((held, when)) if *held == digest => {
                *when = at.max(*when);
                true
            }
            _ => false,
        }
    }

    /// The conditions that the agent reported.
    pub fn conditions(&self) -> Vec<Condition> {
        self.facts().conditions.clone()
    }

    /// Replaces the conditions.
    pub fn set_conditions(&self, conditions: Vec<Condition>) {
        self.facts().conditions = conditions;
    }

    /// The clusters found on the server.
    pub fn clusters(&self) -> Clusters {
        self.facts().clusters.clone()
    }

    /// Changes the clusters found on the server.
    pub fn update_clusters(&self, change: impl FnOnce(&mut Clusters)) {
        change(&mut self.facts().clusters);
    }

    /// The latest section of a kind that is never stored, JSON.
    pub fn volatile(&self, kind: SectionKind) -> Option<Bytes> {
        self.facts().volatile.get(&kind).cloned()
    }

    /// Replaces a section that is never stored.
    pub fn set_volatile(&self, kind: SectionKind, body: Bytes) {
        self.facts().volatile.insert(kind, body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_wrong_since_it_was_seen_first_and_until_it_is_right() {
        let live = Live::default();
        let since = |live: &Live| live.clock_off().map(|(ms, at)| (ms, at.as_millisecond()));
        assert_eq!(since(&live), None, "not heard yet");
        live.set_offset(-2_000, 5_000);
        assert_eq!(since(&live), None, "at the limit");
        live.set_offset(-2_001, 6_000);
        live.set_offset(90_000, 7_000);
        assert_eq!(since(&live), Some((90_000, 6_000)));
        live.set_offset(0, 8_000);
        assert_eq!(since(&live), None);
        live.set_offset(3_000, 9_000);
        assert_eq!(since(&live), Some((3_000, 9_000)));
    }
}
