//! The coordinator as a certificate authority: reads requests, issues certificates, rotates its
//! own root, and judges the certificates that callers present.

pub mod acknowledge;
pub mod authority;
pub mod caller;
mod check;
pub mod csr;
pub mod error;
pub mod files;
pub mod generation;
pub mod live;
pub mod rotation;
pub mod template;
pub mod verifier;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use authority::{Authority, Issued};
pub use error::IssueError;

/// The authority as the running coordinator sees it: replaced live when the CA is rotated.
pub type AuthorityCell = Arc<ArcSwap<Authority>>;
