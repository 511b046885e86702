//! What the project's tests share: the repository read as text, and the scenarios it must survive.

pub mod repo;
pub mod scenarios;
