//! What the project's tests share: a coordinator with its fleet, the repository read as text, the
//! scenarios it must survive, and the bench.

pub mod bench;
pub mod harness;
pub mod repo;
pub mod scenarios;
