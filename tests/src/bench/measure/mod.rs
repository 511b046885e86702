//! The measurements, one file each.

pub mod detection;
pub mod helper;
pub mod planner;
pub mod readmission;
pub mod rest;
pub mod sessions;
pub mod store;
