use std::fmt;

use serde::{Deserialize, Serialize};

use super::Problem;

/// The four domains that an agent may look after, and the two that it must not fight over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Domain {
    Patching,
    Disks,
    Network,
    Runtime,
    PublicIps,
    Watchdog,
}

impl Domain {
    /// The word used in configuration, JSON and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patching => "patching",
            Self::Disks => "disks",
            Self::Network => "network",
            Self::Runtime => "runtime",
            Self::PublicIps => "publicIps",
            Self::Watchdog => "watchdog",
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the server's owner allows in a domain (`/etc/h8lio/agent.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum DomainMode {
    Off,
    /// Read and report, change nothing.
    #[default]
    Observe,
    Act,
}

/// Somebody else who manages a domain on this server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignManager {
    pub domain: Domain,
    /// For example `unattended-upgrades`, `netplan`, `rook`, `keepalived`.
    pub name: String,
    /// What was seen, for example `/etc/netplan/50-cloud-init.yaml`.
    pub evidence: Vec<String>,
}

/// Who manages what, and what h8lio may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagerFacts {
    pub managers: Vec<ForeignManager>,
    /// The mode of each domain in the agent's configuration.
    pub modes: std::collections::BTreeMap<String, DomainMode>,
    pub problems: Vec<Problem>,
}
