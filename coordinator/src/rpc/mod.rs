//! The gRPC face of the coordinator: who may call, what is asked, what is answered. Decisions
//! live elsewhere; here requests are read, callers judged, changes audited.

pub mod act;
pub mod attempts;
pub mod authz;
pub mod backup;
pub mod enrollment;
pub mod fleet;
pub mod gate;
pub mod health;
pub mod nodes;
pub mod roles;
pub mod rollouts;
pub mod services;
pub mod status;
pub mod to_the_end;
mod token_wish;
pub mod view;
