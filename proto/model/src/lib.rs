//! The words of h8lio as types: ids, topology, lifecycle, conditions, inventory, audit, orders,
//! plans and rollouts.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no protobuf. Callers hand in the
//! time. The JSON form of these types (camelCase) is the stable form that `h8lctl -o json`
//! prints and that inventory sections carry on the wire; docs/json.md describes it.

pub mod audit;
pub mod availability;
pub mod condition;
pub mod event;
pub mod ids;
pub mod inventory;
pub mod kernel;
pub mod labels;
pub mod lifecycle;
pub mod node;
pub mod operator;
pub mod order;
pub mod plan;
pub mod release;
pub mod role;
pub mod rollout;
pub mod section;
pub mod session;
mod text;
pub mod token;
pub mod topology;
