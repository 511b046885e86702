//! Sessions: who is connected, and what becomes of a second session of one identity.

pub mod admit;
mod contest;
pub mod counters;
pub mod limits;
mod remains;
mod replaced;
pub mod service;
mod start;
pub mod table;
pub mod witness;
