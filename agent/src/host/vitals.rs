//! Fast-moving readings.

use std::collections::BTreeMap;

use h8lio_model::inventory::{Problem, Vitals};

/// Reads the vitals. Cheap: fit for every tick.
pub trait VitalsHost {
    fn vitals(&self) -> RawVitals;

    /// Degrees Celsius by the name of the server's sensors, the hottest of each name. Dear: three
    /// files for each sensor, and a server has a sensor for each core. Every few minutes is enough.
    fn sensors(&self) -> BTreeMap<String, i32>;
}

/// The readings of one tick. `vitals.disk_temperatures` and `vitals.clock_offset_ms` are not the
/// server's to know and stay empty: `reconcile::system::vitals` adds them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawVitals {
    pub vitals: Vitals,
    pub problems: Vec<Problem>,
}
