//! How long the real planner's rollouts take over large fleets.
//!
//! A fleet is played against a virtual clock ([`march`]): whoever the planner gives a ticket works
//! for as long as this node takes, which is not what the planner was told, and then reports its
//! end. Beside the length stand the least that any order of nodes could take ([`bound`]) and what
//! one at a time and five at a time take ([`beside`]).

pub mod beside;
pub mod bound;
pub mod fleet;
pub mod march;
pub mod row;
