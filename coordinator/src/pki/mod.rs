//! The coordinator as a certificate authority: reads requests, issues certificates, rotates its
//! own root, and judges the certificates that callers present.

pub mod authority;
pub mod caller;
mod check;
pub mod csr;
pub mod error;
pub mod files;
pub mod generation;
pub mod template;
pub mod verifier;
