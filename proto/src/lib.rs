//! The protocol between agents, coordinators and operators.
//!
//! `h8lio/v1/*.proto` is the source; `src/gen` is generated from it by
//! `cargo run -p h8lio-proto --example generate` and checked in. Generated types stop at
//! [`convert`]: everything behind it speaks `h8lio_model`.

pub mod codec;
pub mod convert;

/// Generated: package `h8lio.v1`.
#[allow(missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
#[rustfmt::skip]
#[path = "gen/h8lio.v1.rs"]
pub mod v1;

#[rustfmt::skip]
#[path = "gen/descriptor.rs"]
mod descriptor;

pub use descriptor::FILE_DESCRIPTOR_SET;
