//! Narrow traits over the server. They answer with raw facts: what they mean (is this disk
//! usable? who manages the network?) is decided in `reconcile/`, once, for the real server and
//! the simulated one alike.
//!
//! Every method is blocking and may take seconds; callers run it on a blocking thread. No method
//! fails as a whole: what could not be read is a [`h8lio_model::inventory::Problem`] beside what
//! could.

pub mod managers;
pub mod network;
pub mod packages;
pub mod runtime;
