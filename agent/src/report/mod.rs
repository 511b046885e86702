//! From collectors to sections: what the coordinator gets to know about this server.
//!
//! Each [`Collector`] reads one part of the server through the host traits, on a blocking thread
//! and at its own pace. The [`reporter`] runs them one after the other, leaves one that hangs
//! behind, and publishes what they have as sections.

pub mod board;
mod collectors;
mod conditions;
pub mod reporter;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use h8lio_model::condition::Condition;
use h8lio_model::order::{AttemptId, Epoch};
use h8lio_model::section::{Section, SectionKind};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Moment;
use crate::host::bmc::BmcTimerHost;
use crate::host::boot::BootHost;
use crate::host::disks::DiskHost;
use crate::host::hardware::HardwareHost;
use crate::host::managers::ManagersHost;
use crate::host::network::NetworkHost;
use crate::host::os::OsHost;
use crate::host::osds::OsdHost;
use crate::host::packages::PackagesHost;
use crate::host::runtime::RuntimeHost;
use crate::host::vitals::VitalsHost;

pub use collectors::collectors;

/// All host traits of one server.
#[derive(Clone)]
pub struct Hosts {
    pub hardware: Arc<dyn HardwareHost + Send + Sync>,
    pub os: Arc<dyn OsHost + Send + Sync>,
    pub vitals: Arc<dyn VitalsHost + Send + Sync>,
    pub disks: Arc<dyn DiskHost + Send + Sync>,
    pub osds: Arc<dyn OsdHost + Send + Sync>,
    pub network: Arc<dyn NetworkHost>,
    pub packages: Arc<dyn PackagesHost>,
    pub runtime: Arc<dyn RuntimeHost>,
    pub managers: Arc<dyn ManagersHost>,
    pub boot: Arc<dyn BootHost>,
    pub bmc: Arc<dyn BmcTimerHost>,
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hosts")
    }
}

/// One reading of one part of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    pub sections: Vec<Section>,
    pub conditions: Vec<Condition>,
}

impl Gathered {
    /// Adds `facts` as a section.
    fn section<T: Serialize>(mut self, kind: SectionKind, facts: &T) -> Self {
        match Section::encode(kind, facts) {
            Ok(section) => self.sections.push(section),
            // Inventory types have string keys only: this cannot happen.
            Err(e) => tracing::error!("section {kind} cannot be encoded: {e}"),
        }
        self
    }

    /// Adds conditions.
    fn conditions(mut self, more: impl IntoIterator<Item = Condition>) -> Self {
        self.conditions.extend(more);
        self
    }
}

/// Reads one part of the server.
pub trait Collector: Send {
    /// For messages, for example `disks`.
    fn name(&self) -> &'static str;

    /// Reads what is due. `None`: nothing was due, or nothing changed. Blocks; called once a
    /// round.
    fn collect(&mut self, now: Moment) -> Option<Gathered>;
}

/// The coordinator's clock as last seen, to measure this server's against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// This server's wall clock minus the coordinator's, milliseconds, at `at`.
    pub ms: i64,
    pub at: Moment,
}

impl ClockOffset {
    /// The offset now: the steady clock tells by how much the wall clock jumped since.
    pub fn now(&self, now: Moment) -> i64 {
        let wall = now.wall.duration_since(self.at.wall).as_millis();
        let steady = now.steady.as_millis() as i128 - self.at.steady.as_millis() as i128;
        let jumped = i64::try_from(wall - steady).unwrap_or(i64::MAX);
        self.ms.saturating_add(jumped)
    }
}

/// What the coordinator is known to be at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoordinatorNow {
    /// By its own clock; behind by no more than its greeting was under way.
    pub time: Timestamp,
    /// Orders of an earlier epoch are not its own yet.
    pub epoch: Epoch,
}

/// What collectors learn from each other and from the session.
#[derive(Debug, Default)]
pub struct Shared {
    state: Mutex<SharedState>,
    /// The attempt that ended last.
    ended: watch::Sender<Option<AttemptId>>,
}

#[derive(Debug, Default)]
struct SharedState {
    temperatures: BTreeMap<String, i32>,
    offset: Option<ClockOffset>,
    epoch: Option<Epoch>,
    standing: Vec<Condition>,
}

impl Shared {
    /// The coordinator's clock was seen.
    pub fn set_clock_offset(&self, offset: ClockOffset) {
        self.with(|s| s.offset = Some(offset));
    }

    /// An attempt has ended: what was read of the server before is no news any more.
    pub fn set_last_ended(&self, last: Option<AttemptId>) {
        self.ended.send_if_modified(|before| {
            let is_news = *before != last;
            *before = last;
            is_news
        });
    }

    /// The attempt that ended last, as far as the ledger was heard.
    pub fn last_ended(&self) -> Option<AttemptId> {
        *self.ended.borrow()
    }

    /// Wakes when an attempt ends.
    pub fn watch_ends(&self) -> watch::Receiver<Option<AttemptId>> {
        self.ended.subscribe()
    }

    /// The epoch of the session that opens now.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.with(|s| s.epoch = Some(epoch));
    }

    /// The coordinator's time and its epoch, as the last greeting told them. The steady clock counts on
    /// from there: what this server's wall clock says plays no part.
    pub fn coordinator(&self, now: Moment) -> Option<CoordinatorNow> {
        self.with(|s| {
            let (offset, epoch) = (s.offset?, s.epoch?);
            let ahead = SignedDuration::from_millis(offset.now(now));
            let time = now.wall.checked_sub(ahead).ok()?;
            Some(CoordinatorNow { time, epoch })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut SharedState) -> T) -> T {
        // Fields are replaced whole, so a panic elsewhere leaves them consistent.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_jump_of_the_wall_clock_shows_between_two_greetings() {
        let at = |steady, wall| Moment {
            steady: Duration::from_secs(steady),
            wall: Timestamp::from_second(wall).expect("in range"),
        };
        let offset = ClockOffset {
            ms: 20,
            at: at(100, 1_000_000),
        };
        assert_eq!(offset.now(at(160, 1_000_060)), 20);
        assert_eq!(offset.now(at(160, 1_000_060 + 86_400)), 20 + 86_400_000);
        assert_eq!(offset.now(at(160, 1_000_060 - 86_400)), 20 - 86_400_000);
    }

    #[test]
    fn the_coordinators_time_goes_on_whatever_this_servers_clock_does() {
        let at = |steady, wall| Moment {
            steady: Duration::from_secs(steady),
            wall: Timestamp::from_second(wall).expect("in range"),
        };
        let shared = Shared::default();
        assert_eq!(
            shared.coordinator(at(100, 5_000)),
            None,
            "it was never heard"
        );
        shared.set_clock_offset(ClockOffset {
            ms: 4_000_000,
            at: at(100, 5_000),
        });
        shared.set_epoch(Epoch(7));
        for wall in [5_060, 0, 9_999_999] {
            let now = shared.coordinator(at(160, wall)).expect("it was heard");
            assert_eq!(now.time.as_second(), 1_060);
            assert_eq!(now.epoch, Epoch(7));
        }
    }
}
