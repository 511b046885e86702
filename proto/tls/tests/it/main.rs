//! Certificates as a fleet makes them and as an attacker might, against everything that reads them.

mod bundles;
mod causes;
mod chains;
mod fleet;
mod identities;
mod texts;
