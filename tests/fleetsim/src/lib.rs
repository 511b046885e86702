//! The fleet simulator: the real planner, the real executor core, the real agent ledger and walk
//! over simulated servers, under a virtual clock and one seed.
//!
//! Everything that could differ between two runs (order of events, delays, faults, ids) is drawn
//! from the seed, so the same seed gives the same trace. After every event the promises are checked
//! by code that knows nothing of how they are kept ([`promises`]).

pub mod act;
pub mod app;
pub mod chance;
pub mod coordinator;
pub mod fuse;
pub mod hosts;
pub mod node;
pub mod promises;
mod queue;
pub mod repl;
pub mod sabotage;
pub mod shape;
pub mod tools;
pub mod trace;
pub mod world;

pub use sabotage::Sabotage;
pub use world::{Run, run};
