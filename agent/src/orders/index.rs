//! Keeps the package index fresh on a server that h8lio patches: the distribution's own timer, which
//! would do it, is off there.

use std::time::Duration;

use h8lio_model::ids::NodeId;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Moment;

/// An index of this age is fetched again. With [`SPREAD`] and [`AGAIN`] it stays below the day that the
/// planner takes.
const AGE: SignedDuration = SignedDuration::from_hours(18);

/// Over so long a fleet spreads its fetching: not every server asks the mirror in the same minute.
const SPREAD: SignedDuration = SignedDuration::from_hours(4);

/// A fetch that failed is tried again after this.
pub(super) const AGAIN: Duration = Duration::from_secs(60 * 60);

/// When to fetch.
#[derive(Debug)]
pub(super) struct Index {
    age: SignedDuration,
    /// On the steady clock.
    tried: Option<Duration>,
}

impl Index {
    /// A node always has the same place in the spread.
    pub(super) fn of(node: NodeId) -> Self {
        let place = node.as_uuid().as_u128() % SPREAD.as_secs().unsigned_abs() as u128;
        let place = SignedDuration::from_secs(i64::try_from(place).unwrap_or(0));
        Self {
            age: AGE + place,
            tried: None,
        }
    }

    /// Whether it is due now; then it counts as tried. An index that was never fetched is left alone:
    /// a server without repositories has none.
    pub(super) fn is_due(&mut self, updated: Option<Timestamp>, now: Moment) -> bool {
        let old = updated.is_some_and(|at| now.wall.duration_since(at) >= self.age);
        let rested = self
            .tried
            .is_none_or(|at| now.steady.saturating_sub(at) >= AGAIN);
        if old && rested {
            self.tried = Some(now.steady);
        }
        old && rested
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(hours: i64) -> Moment {
        let steady = Duration::from_secs(3_600) * u32::try_from(hours).expect("small");
        Moment {
            steady,
            wall: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours),
        }
    }

    fn index(place: u128) -> Index {
        Index::of(NodeId::new(Uuid::from_u128(place)))
    }

    #[test]
    fn an_index_is_fetched_once_a_day_and_a_failed_fetch_is_tried_again_after_an_hour() {
        let mut index = index(0);
        let updated = Some(Timestamp::UNIX_EPOCH);
        assert!(!index.is_due(updated, at(17)));
        assert!(index.is_due(updated, at(18)));
        assert!(!index.is_due(updated, at(18)), "it was tried a moment ago");
        assert!(index.is_due(updated, at(19)), "it failed");
        assert!(!index.is_due(Some(at(19).wall), at(36)), "it succeeded");
    }

    #[test]
    fn servers_do_not_all_fetch_in_the_same_minute() {
        let updated = Some(Timestamp::UNIX_EPOCH);
        let late = u128::from(SPREAD.as_secs().unsigned_abs()) - 1;
        assert!(index(0).is_due(updated, at(18)));
        assert!(!index(late).is_due(updated, at(21)));
        assert!(index(late).is_due(updated, at(22)));
    }

    #[test]
    fn an_index_that_was_never_fetched_is_left_alone() {
        assert!(!index(0).is_due(None, at(1_000)));
    }
}
