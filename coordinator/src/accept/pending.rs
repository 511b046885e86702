//! Handshakes in progress: who may start another, and who has to go for it.
//!
//! A slow peer must not keep others out, and a burst of honest peers must not push each other
//! out. So a full table gives up its oldest handshake once that has lasted longer than an honest
//! one takes; before, a newcomer waits (table full) or is refused (its own address is full).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::AbortHandle;

/// An honest handshake takes two round trips and some milliseconds of work.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// The limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) total: usize,
    pub(super) per_source: usize,
}

/// May a handshake start?
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Yes.
    Free,
    /// Yes, once this one is closed.
    Evict(u64),
    /// Not now: all are young. Ask again when one ends, or after this time.
    Wait(Duration),
    /// No: its own address has too many, all young.
    SourceFull,
}

#[derive(Debug)]
struct Entry {
    source: IpAddr,
    since: Duration,
    task: Option<AbortHandle>,
}

/// The table. Ids count up, so their order is that of the start.
#[derive(Debug)]
pub(super) struct Pending {
    caps: Caps,
    entries: BTreeMap<u64, Entry>,
    by_source: HashMap<IpAddr, VecDeque<u64>>,
    next: u64,
}

impl Pending {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            caps,
            entries: BTreeMap::new(),
            by_source: HashMap::new(),
            next: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Decides for a newcomer from `source` at the monotonic time `now`.
    pub(super) fn room(&self, source: IpAddr, now: Duration) -> Room {
        let age = |id: &u64| {
            self.entries
                .get(id)
                .map_or(Duration::ZERO, |e| now.saturating_sub(e.since))
        };
        if let Some(own) = self.by_source.get(&source.to_canonical())
            && own.len() >= self.caps.per_source
        {
            return match own.front() {
                Some(oldest) if age(oldest) >= SLOW => Room::Evict(*oldest),
                _ => Room::SourceFull,
            };
        }
        if self.entries.len() < self.caps.total {
            return Room::Free;
        }
        match self.entries.keys().next() {
            Some(oldest) if age(oldest) >= SLOW => Room::Evict(*oldest),
            Some(oldest) => Room::Wait(SLOW - age(oldest)),
            None => Room::Free,
        }
    }

    /// Enters a handshake.
    pub(super) fn enter(&mut self, source: IpAddr, now: Duration) -> u64 {
        let source = source.to_canonical();
        let id = self.next;
        self.next += 1;
        self.entries.insert(
            id,
            Entry {
                source,
                since: now,
                task: None,
            },
        );
        self.by_source.entry(source).or_default().push_back(id);
        id
    }

    /// Remembers how to stop it. It may have ended already.
    pub(super) fn set_task(&mut self, id: u64, task: AbortHandle) {
        if let Some(e) = self.entries.get_mut(&id) {
            e.task = Some(task);
        }
    }

    /// It ended. Harmless when it is not there.
    pub(super) fn leave(&mut self, id: u64) -> Option<AbortHandle> {
        let entry = self.entries.remove(&id)?;
        if let Some(own) = self.by_source.get_mut(&entry.source) {
            own.retain(|other| *other != id);
            if own.is_empty() {
                self.by_source.remove(&entry.source);
            }
        }
        entry.task
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const C: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn table() -> Pending {
        Pending::new(Caps {
            total: 3,
            per_source: 2,
        })
    }

    #[test]
    fn one_source_cannot_fill_the_table() {
        let mut p = table();
        p.enter(A, at(0));
        p.enter(A, at(0));
        assert_eq!(p.room(A, at(999)), Room::SourceFull);
        assert_eq!(p.room(B, at(999)), Room::Free);
        let mapped = "::ffff:10.0.0.1".parse().expect("valid");
        assert_eq!(p.room(mapped, at(999)), Room::SourceFull);
    }

    #[test]
    fn a_slow_handshake_gives_way_to_a_new_one_of_its_own_source_first() {
        let mut p = table();
        let b = p.enter(B, at(0));
        let first = p.enter(A, at(1));
        p.enter(A, at(2));
        assert_eq!(p.room(A, at(1_001)), Room::Evict(first));
        assert_eq!(p.room(C, at(1_001)), Room::Evict(b));
    }

    #[test]
    fn a_burst_of_honest_ones_waits_and_nobody_is_pushed_out() {
        let mut p = table();
        let a = p.enter(A, at(0));
        p.enter(A, at(10));
        p.enter(B, at(20));
        assert_eq!(p.room(C, at(400)), Room::Wait(at(600)));
        p.leave(a);
        assert_eq!(p.room(C, at(400)), Room::Free);
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let mut p = table();
        let ids = [p.enter(A, at(0)), p.enter(A, at(0)), p.enter(B, at(0))];
        for id in ids {
            p.leave(id);
            p.leave(id);
        }
        assert_eq!((p.len(), p.by_source.len()), (0, 0));
    }
}
