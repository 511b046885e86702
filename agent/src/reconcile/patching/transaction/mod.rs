//! Changing packages: what is ordered is sorted by what is installed ([`judge::sort`]), apt's plan
//! is compared with it ([`judge::judge`]), and how it ended is observed ([`outcome::outcome`]). A
//! database that was cut off before is repaired first ([`database::repair`]). All of it is pure.

pub mod after;
pub mod class;
pub mod database;
pub mod judge;
pub mod outcome;
pub mod room;

#[cfg(test)]
mod tests;
