//! The executor: from the plan that holds and what nodes have said to what each node is sent now.
//!
//! It makes no choice of its own. [`activate`] gives each node at most one [`Errand`]: something to
//! make durable, then an order to send. Whoever drives it does the errands one by one and goes on
//! past those that fail; doing one again is harmless. [`Known::hear`] takes what a node says, and
//! [`Known::told`] is what the planner may believe of it: ends are taken over only when reported,
//! and an end that nobody can report any more is `Unknown`.
//!
//! Pure: no clock, no chance, no I/O. The coordinator drives it with its store and its sessions,
//! the fleet simulator with its own.

mod activate;
mod audit;
mod behind;
mod known;

pub use activate::{Activation, Errand, Withheld, activate};
pub use audit::{Ended, ended};
pub use behind::{Behind, Term, behind};
pub use known::{Given, Heard, Known, LEDGER_LOST, Record};
