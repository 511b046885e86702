//! The coordinator of h8lio: the one program that knows the whole fleet.

pub mod accept;
pub mod app;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod events;
pub mod feed;
pub mod gather;
pub mod init;
mod lane;
pub mod local_operator;
pub mod maintenance;
pub mod metrics;
pub mod observe;
pub mod operators;
pub mod outage;
mod ownership;
mod pages;
pub mod pki;
pub mod quarantine;
pub mod registry;
pub mod rpc;
pub mod session;
pub mod store;
