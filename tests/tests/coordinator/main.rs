//! The real coordinator under bad input, bad luck and bad intent, over real sockets and files.

mod abuse;
mod agents;
mod audit;
mod availability;
mod backup;
mod ban;
mod clone;
mod enrollment;
mod expired;
mod first_use;
mod identity;
mod local_operator;
mod older_agent;
mod operators;
mod pace;
mod rollouts;
mod share;
mod store;
mod strangers;
