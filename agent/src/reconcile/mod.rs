//! Pure logic per domain: from raw facts to inventory and conditions, from orders to changes.
//! No clock, no I/O; the same input gives the same answer.

pub mod managers;
pub mod network;
pub mod patching;
pub mod runtime;
