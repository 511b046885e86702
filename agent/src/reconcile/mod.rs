//! What the raw facts of `host/` mean: pure, deterministic, the same for the real server and the
//! simulated one.

pub mod cadence;
pub mod disks;
mod problems;
pub mod system;

pub use problems::problems_to_conditions;
pub mod managers;
pub mod network;
pub mod patching;
pub mod runtime;
