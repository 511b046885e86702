//! Identity on the wire, shared by agent, coordinator and `h8lctl`: SPIFFE ids, pins, join
//! tokens, trust bundles, key files, and TLS clients that trust a fleet and nothing else.
//!
//! TLS 1.3 only, aws-lc-rs, ECDSA P-256. DNS names and addresses play no part in trust: a
//! coordinator is who its certificate says, wherever it runs.

pub mod bundle;
pub mod cause;
pub mod client;
pub mod files;
pub mod identity;
pub mod pin;
pub mod serial;
pub mod spiffe;
pub mod token;
pub mod verify;
