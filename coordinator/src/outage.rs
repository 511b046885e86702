//! When no coordinator ran: a node whose certificate ended meanwhile could not renew it, and that
//! time does not count against its recovery limit.
//!
//! Outages are known from wall clocks alone, and those can be wrong. So the credit is bounded
//! three times:
//!
//! - an outage begins at the last sign of life that was *stored*, and a start with a clock from
//!   before it neither makes an outage nor moves that sign back;
//! - the start of this life is known better later, by the time that has passed since on the
//!   monotonic clock: an outage that would end after it was measured with a wrong clock and is cut;
//! - [`MOST_CREDIT`] bounds what all outages together excuse of one certificate. Whatever clocks
//!   do, no certificate is accepted later than the recovery limit and this after its end without
//!   a person (`h8lctl node allow-recovery`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::registry::RegistryError;
use crate::registry::records;
use crate::store::{Op, Store, StoreError, Txn};

const KEY: &str = "/h8lio/meta/outages";
/// How often the coordinator notes that it lives. An outage is known to within this.
pub const NOTE_EVERY: Duration = Duration::from_secs(300);
/// What outages excuse of one certificate, at most. Whoever leaves a fleet alone for longer looks at
/// each server anyway when it is back.
pub const MOST_CREDIT: Duration = Duration::from_secs(30 * 86_400);
/// Outages kept: the newest.
const KEEP: usize = 100;

/// A span without a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    pub from: Timestamp,
    pub to: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    alive_at: Option<Timestamp>,
    outages: Vec<Outage>,
}

impl Record {
    /// Notes a start at `now`: what lies between the last sign of life and now was an outage.
    fn start(&mut self, now: Timestamp) {
        if let Some(alive) = self.alive_at
            && now.as_second() - alive.as_second() > NOTE_EVERY.as_secs() as i64
        {
            self.outages.push(Outage {
                from: alive,
                to: now,
            });
            let surplus = self.outages.len().saturating_sub(KEEP);
            self.outages.drain(..surplus);
        }
        self.alive_at = self.alive_at.max(Some(now));
    }

    /// Notes a sign of life at `now`, in a life that began `lived` ago.
    fn note(&mut self, now: Timestamp, lived: Duration) {
        let started = now.checked_sub(lived).unwrap_or(Timestamp::MIN);
        for outage in &mut self.outages {
            outage.to = outage.to.min(started);
        }
        self.outages.retain(|o| o.from < o.to);
        self.alive_at = Some(now);
    }

    /// How long a certificate that ended at `not_after` has been over at `now`, without outages.
    fn expired_for(&self, not_after: Timestamp, now: Timestamp) -> Duration {
        let seconds = |a: Timestamp, b: Timestamp| (b.as_second() - a.as_second()).max(0) as u64;
        let excused: u64 = self
            .outages
            .iter()
            .map(|o| seconds(o.from.max(not_after), o.to.min(now)))
            .sum();
        let excused = excused.min(MOST_CREDIT.as_secs());
        Duration::from_secs(seconds(not_after, now).saturating_sub(excused))
    }
}

/// The known outages.
#[derive(Debug)]
pub struct Outages {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// When this life began, monotonic.
    began: Duration,
    record: Mutex<Record>,
}

impl Outages {
    /// Reads what is known and notes this start.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RegistryError> {
        let mut record: Record = match store.get(KEY).await? {
            Some(kv) => records::read(KEY, &kv.value)?,
            None => Record::default(),
        };
        record.start(clock.now());
        let outages = Self {
            store,
            began: clock.mono(),
            clock,
            record: Mutex::new(record),
        };
        outages.write().await?;
        Ok(outages)
    }

    async fn write(&self) -> Result<(), StoreError> {
        let value = records::write(&*self.record.lock().unwrap_or_else(PoisonError::into_inner));
        self.store
            .txn(Txn::default().then([Op::put(KEY, value)]))
            .await?;
        Ok(())
    }

    /// Notes a sign of life.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn note(&self) -> Result<(), StoreError> {
        let lived = self.clock.mono().saturating_sub(self.began);
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(self.clock.now(), lived);
        self.write().await
    }

    /// How long a certificate that ended at `not_after` has been over at `now`; outages of the
    /// coordinator do not count.
    pub fn expired_for(&self, not_after: Timestamp, now: Timestamp) -> Duration {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .expired_for(not_after, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).expect("in range")
    }

    /// scenario: 36 (unit)
    #[test]
    fn expiry_during_an_outage_of_the_coordinator_does_not_count() {
        let mut r = Record {
            alive_at: Some(at(100)),
            outages: vec![],
        };
        r.start(at(200));
        let hours = |d: Duration| d.as_secs() / 3600;
        assert_eq!(
            hours(r.expired_for(at(150), at(200))),
            0,
            "ended within the outage"
        );
        assert_eq!(hours(r.expired_for(at(150), at(210))), 10);
        assert_eq!(
            hours(r.expired_for(at(90), at(210))),
            20,
            "10 h before and 10 h after"
        );
        assert_eq!(hours(r.expired_for(at(220), at(210))), 0);
    }

    #[test]
    fn a_quick_restart_is_no_outage() {
        let mut r = Record {
            alive_at: Some(at(100)),
            outages: vec![],
        };
        r.start(Timestamp::from_second(100 * 3600 + 60).expect("in range"));
        assert_eq!(r.outages, vec![]);
    }

    fn second(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    #[test]
    fn what_is_longer_than_the_interval_of_the_notes_is_an_outage() {
        for (gap, outages) in [(299, 0), (300, 0), (301, 1)] {
            let mut r = Record {
                alive_at: Some(second(1000)),
                outages: vec![],
            };
            r.start(second(1000 + gap));
            assert_eq!(r.outages.len(), outages, "{gap} s");
            assert_eq!(r.alive_at, Some(second(1000 + gap)));
        }
        let mut first = Record::default();
        first.start(second(1000));
        assert_eq!(first.outages, vec![], "the first start of all");
    }

    #[test]
    fn the_newest_hundred_outages_are_kept() {
        let mut r = Record::default();
        for hour in 0..=105 {
            r.start(at(hour));
        }
        assert_eq!(r.outages.len(), 100);
        let (from, to) = (at(5), at(6));
        assert_eq!(r.outages[0], Outage { from, to });
    }

    #[test]
    fn several_outages_are_excused_together() {
        let mut r = Record::default();
        for (from, to) in [(10, 20), (30, 40)] {
            r.outages.push(Outage {
                from: at(from),
                to: at(to),
            });
        }
        assert_eq!(r.expired_for(at(15), at(35)).as_secs(), 10 * 3600);
    }

    const DAY: u64 = 86_400;

    fn day(n: i64) -> Timestamp {
        at(n * 24)
    }

    fn alive(day_of: i64) -> Record {
        Record {
            alive_at: Some(day(day_of)),
            outages: vec![],
        }
    }

    /// scenario: 31, 36 (unit)
    #[test]
    fn a_start_in_the_far_future_excuses_no_more_than_thirty_days() {
        let mut r = alive(100);
        r.start(day(100_000));
        let expired = r.expired_for(day(101), day(100_000));
        assert_eq!(expired.as_secs(), (100_000 - 101 - 30) as u64 * DAY);
    }

    /// scenario: 31, 36 (unit)
    #[test]
    fn an_outage_that_a_wrong_clock_made_ends_when_the_clock_is_right() {
        let mut r = alive(100);
        r.start(day(100_000));
        // Ten minutes later the clock is set: it is day 103.
        let lived = Duration::from_secs(600);
        let now = day(103).checked_add(lived).expect("in range");
        r.note(now, lived);
        let (from, to) = (day(100), day(103));
        assert_eq!(r.outages, [Outage { from, to }], "what there was stays");
        // An expiry of long ago is as long ago as it is.
        assert_eq!(r.expired_for(day(53), day(103)).as_secs(), 47 * DAY);
    }

    /// scenario: 31, 36 (unit)
    #[test]
    fn a_start_in_the_past_makes_no_outage_of_the_next_one() {
        let mut r = alive(20_000);
        r.start(day(1));
        r.start(day(20_001));
        let (from, to) = (day(20_000), day(20_001));
        assert_eq!(r.outages, [Outage { from, to }]);
    }

    /// scenario: 31, 36 (unit)
    #[test]
    fn an_outage_lies_before_this_life_and_one_that_does_not_is_forgotten() {
        let mut r = alive(100);
        r.start(day(120));
        r.note(day(90), Duration::from_secs(60));
        assert_eq!(r.outages, vec![]);
        assert_eq!(r.alive_at, Some(day(90)));
    }

    #[test]
    fn many_outages_excuse_no_more_than_one() {
        let mut r = alive(0);
        for n in 1..=10 {
            r.start(day(n * 10));
        }
        assert_eq!(r.expired_for(day(0), day(100)).as_secs(), 70 * DAY);
    }

    #[tokio::test]
    async fn an_outage_is_known_to_the_next_start_and_a_note_shortens_it() {
        use crate::clock::ManualClock;
        use crate::store::memory::MemoryStore;

        let clock = Arc::new(ManualClock::new(at(0)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let start = || Outages::start(Arc::clone(&store), Arc::clone(&clock) as _);
        let hour = Duration::from_secs(3600);
        let first = start().await.expect("starts");
        assert_eq!(first.expired_for(at(0), at(9)).as_secs(), 9 * 3600);
        clock.advance(hour * 4);
        first.note().await.expect("noted");
        clock.advance(hour * 6);
        start().await.expect("starts");
        let third = start().await.expect("starts");
        assert_eq!(third.expired_for(at(0), at(12)).as_secs(), 6 * 3600);
    }
}
