//! The scenarios that h8lio must survive, and which tests hold it to them.
//!
//! `docs/scenarios.md` is the list: a number, a title and the issue that claimed it. A test says
//! which scenarios it plays with a line above it, `scenario: 34, 36 (integration)`, in a doc
//! comment (Rust) or a comment above a function (shell).

pub mod catalogue;
pub mod markers;
pub mod report;
