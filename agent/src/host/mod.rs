//! Narrow traits over the server. They answer with raw facts: what they mean (is this disk
//! usable? who manages the network?) is decided in `reconcile/`, once, for the real server and
//! the simulated one alike.
//!
//! Every method is blocking and may take seconds; callers run it on a blocking thread. No method
//! fails as a whole: what could not be read is a [`h8lio_model::inventory::Problem`] beside what
//! could.
//!
//! Methods are **cheap** (a few small files: fit for every tick) or **dear** (host tools, or a
//! walk over all devices). A dear read is due when the matching cheap `fingerprint()` changes or
//! its period is over: `reconcile::cadence` decides.

pub mod bmc;
pub mod boot;
pub mod disks;
pub mod hardware;
pub mod os;
pub mod osds;
pub mod vitals;

/// A hash over cheap state; equal means "nothing to read again". Not stable between versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

pub mod managers;
pub mod network;
pub mod packages;
pub mod patching;
pub mod runtime;
pub mod services;
pub mod tool;
