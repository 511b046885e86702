//! A real coordinator in the test's own process, with its operators and its servers.
//!
//! The coordinator listens on a port that the kernel chose, its store is a SQLite file in a
//! temporary folder, and everybody talks to it over real TLS. Only its clock can be moved and its
//! store be made to fail. Servers are played by hand ([`Server`], [`Session`]), so that a test
//! decides what an agent says and when; waits are bounded and look at the state, never at the time.

mod agent;
mod client;
mod clock;
mod fleet;
mod operator;
mod server;
mod session;
mod store;
mod tokens;
mod wait;

pub use agent::Agent;
pub use client::{Dial, dial, dial_as};
pub use clock::TestClock;
pub use fleet::{FLEET, Fleet, FleetBuilder};
pub use operator::{Operator, change, is_alert};
pub use server::{Answer, Server};
pub use session::{Beating, Session, section};
pub use store::{FaultyStore, Mode};
pub use tokens::{TokenBuilder, Tokens};
pub use wait::{PATIENCE, soon, until};

/// The reason of a refusal, for `assert`s that look into the text.
pub trait Refused<T> {
    /// The status of the refusal.
    ///
    /// # Panics
    /// When it was no refusal.
    fn refused(self) -> tonic::Status;
}

impl<T: std::fmt::Debug> Refused<T> for Result<T, tonic::Status> {
    fn refused(self) -> tonic::Status {
        match self {
            Err(status) => status,
            Ok(answer) => panic!("accepted: {answer:?}"),
        }
    }
}

/// Asserts that a text is one line and has all of these parts.
///
/// # Panics
/// When it is not, or has not.
pub fn says(text: &str, parts: &[&str]) {
    assert_eq!(text.lines().count(), 1, "not one line: {text:?}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}
