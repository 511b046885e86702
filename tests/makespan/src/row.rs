//! One fleet, played and put beside others.

use std::time::Duration;

use jiff::SignedDuration;
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::beside::at_once;
use crate::bound::Bound;
use crate::fleet::Fleet;
use crate::march::{NoEnd, play};

/// What came of it. Times of the rollout are virtual, times of planning are the processor's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub nodes: usize,
    pub makespan_seconds: f64,
    pub bound_seconds: f64,
    /// If quorums could be mixed with other nodes.
    pub bound_without_order_seconds: f64,
    pub serial_seconds: f64,
    pub five_at_once_seconds: f64,
    /// Most nodes that worked at one time.
    pub widest: usize,
    pub plans: usize,
    pub first_plan_seconds: f64,
    pub slowest_plan_seconds: f64,
    pub median_plan_seconds: f64,
}

impl Row {
    /// Plays a fleet.
    ///
    /// # Errors
    /// When the rollout does not come to its end.
    pub fn of(fleet: &Fleet) -> Result<Self, NoEnd> {
        let march = play(fleet, &processor_time)?;
        let bound = Bound::of(fleet);
        let all = || fleet.takes.values().copied();
        let mut plans = march.plans.clone();
        plans.sort();
        let seconds = |found: Option<&Duration>| found.map_or(0.0, Duration::as_secs_f64);
        Ok(Self {
            nodes: fleet.takes.len(),
            makespan_seconds: march.makespan.as_secs_f64(),
            bound_seconds: bound.least.as_secs_f64(),
            bound_without_order_seconds: bound.without_order.as_secs_f64(),
            serial_seconds: at_once(all(), 1).as_secs_f64(),
            five_at_once_seconds: at_once(all(), 5).as_secs_f64(),
            widest: march.widest,
            plans: plans.len(),
            first_plan_seconds: seconds(march.plans.first()),
            slowest_plan_seconds: seconds(plans.last()),
            median_plan_seconds: seconds(plans.get(plans.len() / 2)),
        })
    }

    /// How much longer than the least.
    pub fn over_the_bound(&self) -> f64 {
        self.makespan_seconds / self.bound_seconds
    }

    /// How many times faster than one at a time.
    pub fn times_serial(&self) -> f64 {
        self.serial_seconds / self.makespan_seconds
    }

    /// How many times faster than five at a time.
    pub fn times_five(&self) -> f64 {
        self.five_at_once_seconds / self.makespan_seconds
    }

    /// Its length, for people.
    pub fn makespan(&self) -> SignedDuration {
        SignedDuration::try_from_secs_f64(self.makespan_seconds).unwrap_or_default()
    }
}

/// Of this thread: other work on the machine does not count.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
