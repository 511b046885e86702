//! The lab: real servers on one small machine, to be rolled out to, broken and mended.
//!
//! It drives h8lio's programs as an operator does, from outside, and shares no code with them.
//! Everything it starts runs in a network and process namespace of its own ([`space`]), so that
//! nothing of it is seen by the machine's other programs and nothing survives its end.

pub mod bmc;
pub mod cache;
pub mod ceph;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod fleet;
pub mod image;
pub mod kube;
pub mod lab;
pub mod parcel;
pub mod process;
pub mod server;
pub mod space;
pub mod ssh;
pub mod stages;
