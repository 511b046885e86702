//! The coordinator's settings: one TOML file, checked as a whole before anything starts.
//!
//! `coordinator.example.toml` explains every key; a test holds it equal to the defaults here.

mod duration;
mod error;
mod load;
mod maintenance;
mod rules;
mod settings;

pub use duration::parse_duration;
pub use error::ConfigError;
pub use load::{load, parse};
pub use maintenance::Maintenance;
pub use rules::{HealthHow, HealthProbe, Rules, Wrong};
pub use settings::{Certificates, Limits, Log, LogFormat, Metrics, Session, Settings};

/// What `coordinator.example.toml` says: the file that `init` starts from.
pub const EXAMPLE: &str = include_str!("../../coordinator.example.toml");
