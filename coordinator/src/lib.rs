//! The coordinator of h8lio: the one program that knows the whole fleet.

pub mod audit;
pub mod clock;
pub mod events;
mod lane;
pub mod store;
