//! The coordinator of h8lio: the one program that knows the whole fleet.

pub mod clock;
pub mod gather;
pub mod store;
