//! `h8lctl` from the command line down, against a coordinator made for the tests.

#[path = "../../src/report/samples.rs"]
mod samples;

#[path = "../../src/report/sample_rollouts.rs"]
mod sample_rollouts;

mod bench;
mod changes;
mod contexts;
mod docs;
mod fake_fleet;
mod fake_nodes;
mod fake_rollouts;
mod following;
mod help;
mod pki;
mod reading;
mod rollouts;
mod tls;
