//! What the project's tests share: a coordinator with its fleet, the repository read as text, and
//! the scenarios it must survive.

pub mod harness;
pub mod repo;
pub mod scenarios;
