//! The seed's only door: every draw of a run comes from here, in the order of its events.

use std::time::Duration;

use uuid::Uuid;

/// Draws.
#[derive(Debug, Clone)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// The draws of a seed.
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// `true` in so many of a thousand cases.
    pub fn permille(&mut self, of_thousand: u32) -> bool {
        self.0.u32(0..1000) < of_thousand
    }

    /// Below `end`, which must not be 0.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0.u32(0..end)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        self.0.u32(least..=most)
    }

    /// From `least` to `most` milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.u64(least..=most))
    }

    /// Another id each time.
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.0.u128(..).to_ne_bytes()).into_uuid()
    }
}
