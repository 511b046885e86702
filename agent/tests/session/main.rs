//! The agent's session and identity against a scripted coordinator over real TLS on loopback.
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod authority;
mod coordinator;
mod crashes;
mod daemon;
mod enrollment;
mod orders;
mod renewal;
mod rig;
mod session;
