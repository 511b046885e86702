//! One tick's vitals, put together.

use std::collections::BTreeMap;

use h8lio_model::inventory::Vitals;

use crate::host::vitals::RawVitals;

/// Adds what is read at another pace, or elsewhere. `temperatures` come from the last SMART readings
/// ([`crate::reconcile::disks::assess::Assessment`]); `clock_offset_ms` from the session.
pub fn assess(
    raw: &RawVitals,
    temperatures: &BTreeMap<String, i32>,
    sensors: &BTreeMap<String, i32>,
    clock_offset_ms: Option<i64>,
) -> Vitals {
    Vitals {
        disk_temperatures: temperatures.clone(),
        temperatures: sensors.clone(),
        clock_offset_ms,
        ..raw.vitals.clone()
    }
}
