//! The h8lio agent: one privileged daemon on every physical server.
//!
//! `host/` holds narrow traits, `linux/` the real effects behind them, `sim/` a scripted server,
//! `reconcile/` the pure logic per domain. `reconcile`, `linux` and `sim` import `host`; only
//! `app.rs` names `linux`.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod host;
pub mod linux;
pub mod reconcile;
pub mod words;
pub mod session;
