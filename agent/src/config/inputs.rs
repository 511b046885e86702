//! The file as written: every key, with its default.

use std::path::PathBuf;
use std::time::Duration;

use h8lio_model::inventory::DomainMode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::walk::Patience;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inputs {
    pub state_dir: PathBuf,
    pub coordinators: Vec<String>,
    pub domains: Domains,
    pub intervals: Intervals,
    pub patching: Patching,
}

/// `[domains]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Domains {
    pub patching: DomainMode,
    pub disks: DomainMode,
    pub network: DomainMode,
    pub runtime: DomainMode,
}

/// `[intervals]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intervals {
    pub report: Period,
}

/// `[patching]`: how long things may take before they count as not happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patching {
    pub lock_timeout: Period,
    pub transaction_timeout: Period,
    pub boot_timeout: Period,
    pub health_timeout: Period,
    pub hung_boot_timeout: Period,
}

impl Default for Patching {
    fn default() -> Self {
        let Patience {
            lock,
            transaction,
            boot,
            gates,
            hang,
        } = Patience::default();
        Self {
            lock_timeout: Period(lock),
            transaction_timeout: Period(transaction),
            boot_timeout: Period(boot),
            health_timeout: Period(gates),
            hung_boot_timeout: Period(hang),
        }
    }
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/h8lio/agent".into(),
            coordinators: Vec::new(),
            domains: Domains::default(),
            intervals: Intervals::default(),
            patching: Patching::default(),
        }
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            report: Period(Duration::from_secs(10)),
        }
    }
}

/// A time span, written like `10s`, `5m` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|d| Duration::try_from(d).ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a time span; write it like \"10s\" or \"5m\""))
    }
}

impl From<Period> for String {
    fn from(p: Period) -> Self {
        SignedDuration::try_from(p.0).map_or_else(|_| "0s".to_owned(), |d| format!("{d:#}"))
    }
}
