//! Drives and the OSDs on them.
//!
//! Raw facts become [`h8lio_model::inventory::Disk`]s ([`assess`]) and
//! [`h8lio_model::inventory::Osd`]s ([`osds`]); [`osds::mark`] then writes onto each disk whose
//! OSD it carries.

pub mod assess;
pub mod conditions;
pub mod history;
pub mod identity;
pub mod osds;
pub mod raid;
pub mod smart;
#[cfg(test)]
mod tests;
mod text;
mod unusable;
mod volumes;
pub mod watch;
