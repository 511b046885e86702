//! Pure logic per domain: what the raw facts of `host/` mean, the same for the real server and the
//! simulated one. No clock, no I/O; the same input gives the same answer.

pub mod cadence;
pub mod disks;
pub mod managers;
pub mod network;
pub mod patching;
mod problems;
pub mod runtime;
pub mod system;

pub use problems::problems_to_conditions;
