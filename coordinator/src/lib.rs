//! The coordinator of h8lio: the one program that knows the whole fleet.

pub mod accept;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod init;
pub mod pki;
pub mod store;
