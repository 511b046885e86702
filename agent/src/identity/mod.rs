//! Who this server is in its fleet: key, certificate, trust, and how they are gained and kept.
//!
//! State directory (0700, one agent at a time):
//!
//! | File | Holds | Written |
//! |---|---|---|
//! | `identity.json` | fleet, node, trusted roots, certificate and key; while renewing, the next ones | whole or not at all |
//! | `enrolling.json` | the key of an enrollment that is not finished | before the first request |
//! | `witness.json` | newest audit head ever shown | when it grows |
//! | `boot-id` | boot id of a simulated server | at its first start |
//! | `lock` | nothing; locked by the running agent | – |
//!
//! Identity and trust share one file because they are only usable together: there is no moment at
//! which a crash leaves a key without its certificate or a certificate without its roots.

pub mod authority;
pub mod claims;
pub mod dial;
mod disk;
pub mod document;
pub mod enroll;
pub mod renewal;
pub mod state_dir;
#[cfg(test)]
pub(crate) mod testing;
pub mod vault;

pub use disk::{Disk, PrivateFolder};
