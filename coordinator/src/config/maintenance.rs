//! What the fleet allows of maintenance, as the file says it: windows, freezes, budgets and health
//! checks. [`super::rules`] makes of it what the planner takes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::duration::{self, Length};

/// The table `[maintenance]`. Places in the file are kept beside what can only be judged together
/// with something else; they play no part in comparisons.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    /// When nodes may be begun, for rollouts without windows of their own. None: always.
    pub windows: Vec<Window>,
    /// When nothing is begun, whatever the rollout.
    pub freezes: Vec<Freeze>,
    /// How long one node's turn is likely to last.
    #[serde(deserialize_with = "duration::deserialize")]
    pub estimate: Duration,
    pub constraints: Vec<Constraint>,
    /// Agents of this release and later ones are wanted, also where a newer one ran before.
    pub accept_agent: Option<Spanned<String>>,
    /// By name.
    pub health: BTreeMap<String, Spanned<HealthCheck>>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            windows: Vec::new(),
            freezes: Vec::new(),
            estimate: Duration::from_secs(15 * 60),
            constraints: Vec::new(),
            accept_agent: None,
            health: BTreeMap::new(),
        }
    }
}

/// A stretch of time that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Five fields: minute, hour, day, month, weekday.
    pub cron: Spanned<String>,
    pub lasts: Spanned<Length>,
    /// IANA name.
    pub zone: Spanned<String>,
}

/// A time without changes: `from` and perhaps `until`, or `cron`, `lasts` and `zone`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    pub name: Spanned<String>,
    pub from: Option<Moment>,
    pub until: Option<Spanned<Moment>>,
    pub cron: Option<Spanned<String>>,
    pub lasts: Option<Spanned<Length>>,
    pub zone: Option<Spanned<String>>,
}

/// A moment with its offset from UTC, quoted or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(d)? {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map(Self).map_err(|_| {
            let why = format!(
                "{text:?} is no moment; write it with its offset, like 2026-12-20T00:00:00Z"
            );
            de::Error::custom(why)
        })
    }
}

/// Servers of which only so many may be away at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    pub name: Spanned<String>,
    pub selector: Spanned<String>,
    pub rule: Spanned<RuleName>,
    pub level: Option<Spanned<LevelName>>,
    pub most: Option<Spanned<u32>>,
    /// Constraints whose servers are done first.
    pub after: Option<Spanned<Vec<String>>>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleName {
    Nodes,
    Domains,
    PerDomain,
    Quorum,
}

/// A level of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LevelName {
    Region,
    Datacenter,
    Zone,
    Rack,
    Node,
}

/// A question that must be answered well before each node of a rollout that names it: `http` or
/// `command`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    pub http: Option<Spanned<String>>,
    pub command: Option<Spanned<Vec<String>>>,
    pub timeout: Option<Spanned<Length>>,
}
