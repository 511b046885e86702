//! A scripted server behind all host traits: the real daemon runs over it, for demonstrations,
//! drills and tests.
//!
//! A scenario file describes one server; `tests/sim/demo/r1-1.toml` is the commented sample.
//! Faults are lines appended to the file `faults` in the state directory while the agent runs
//! (see [`fault::Fault`]); the server's state is the scenario with all of them applied in order,
//! so that it survives a restart of the agent as a real server's would.
//!
//! The answers are as raw as a real server's (`smartctl` JSON, `apt-get` text, netlink links):
//! what they mean is decided in `reconcile/`, as always.

mod bmc;
mod boot;
pub mod changes;
mod drives;
mod effects;
pub mod fault;
mod machine;
mod network;
mod patching;
pub mod scenario;
mod server;
mod software;
mod state;

use std::time::Duration;

pub use server::SimServer;

/// Carries out queued faults as they come; ends with how long the server stays down when it is
/// rebooted. Never ends for a real server.
pub async fn faults(server: Option<&SimServer>) -> Duration {
    match server {
        Some(server) => server.watch_faults().await,
        None => std::future::pending().await,
    }
}
