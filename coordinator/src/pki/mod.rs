//! The coordinator as a certificate authority: reads requests, issues certificates, rotates its
//! own root, and judges the certificates that callers present.

pub mod csr;
