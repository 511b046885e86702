//! The machine, its operating system, its clock and its vitals.

pub mod clock;
pub mod conditions;
pub mod hardware;
pub mod os;
mod pressure;
pub mod vitals;
pub mod watch;
