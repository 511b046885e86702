//! The one stream to a coordinator.
//!
//! [`machine`] decides (pure: events in, actions out), [`policy`] paces the dialling, `stream`
//! moves bytes, `supervisor` keeps one good stream and replaces it when the identity changes.

pub mod machine;
pub mod outbox;
pub mod policy;
