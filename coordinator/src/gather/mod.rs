//! What servers report: checked, compared with what was known, put together.
//!
//! Everything in [`inventory`] and [`diff`] is pure: bytes in, facts and events out. A report
//! comes from a server that may be broken or hostile, so its size and depth are bounded before it
//! is parsed, and no text of it reaches an event or an error without being cleaned.

pub mod diff;
pub mod ingest;
pub mod inventory;
