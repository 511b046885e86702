//! The settings and their defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use h8lio_model::availability::Timing;
use h8lio_model::ids::{FleetName, OperatorName};
use serde::{Deserialize, Deserializer, de};

use super::Maintenance;
use super::duration;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Everything that the file says, defaults filled in, paths made absolute (or relative to the
/// working directory when the file's path is).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The trust domain: names of certificates begin with it. Cannot change later.
    pub fleet: FleetName,
    /// This coordinator's name in its certificate, audit log and metrics.
    #[serde(default = "default_name")]
    pub name: OperatorName,
    /// Where agents and operators connect: one port for both.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// `host:port` as agents reach this coordinator; written into join tokens and contexts.
    #[serde(default)]
    pub advertise: Vec<String>,
    #[serde(default)]
    pub metrics: Metrics,
    /// SQLite file.
    #[serde(default = "default_store")]
    pub store: PathBuf,
    /// Folder with the authority's certificates and keys.
    #[serde(default = "default_pki")]
    pub pki: PathBuf,
    #[serde(default)]
    pub session: Session,
    #[serde(default)]
    pub certificates: Certificates,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub maintenance: Maintenance,
    #[serde(default)]
    pub log: Log,
}

/// Where Prometheus may ask; plain HTTP, so loopback unless something in front protects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metrics {
    Off,
    Listen(SocketAddr),
}

/// Heartbeats and verdicts; the meaning of each is in [`Timing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    #[serde(deserialize_with = "duration::deserialize")]
    pub beat: Duration,
    #[serde(deserialize_with = "optional_duration")]
    pub suspect_after: Option<Duration>,
    #[serde(deserialize_with = "optional_duration")]
    pub unreachable_after: Option<Duration>,
    #[serde(deserialize_with = "optional_duration")]
    pub stable_for: Option<Duration>,
    #[serde(deserialize_with = "optional_duration")]
    pub warm_up: Option<Duration>,
    /// Least time between two reports of one agent.
    #[serde(deserialize_with = "duration::deserialize")]
    pub report: Duration,
}

/// Lives of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    #[serde(deserialize_with = "duration::deserialize")]
    pub node: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub operator: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub coordinator: Duration,
    /// How long after its end a node's certificate still proves who it is.
    #[serde(deserialize_with = "duration::deserialize")]
    pub recovery_limit: Duration,
}

/// What one caller, or all together, may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(deserialize_with = "duration::deserialize")]
    pub handshake_timeout: Duration,
    pub pending_handshakes: usize,
    pub pending_handshakes_per_source: usize,
    pub connections: usize,
    /// Connections without a certificate (servers that join).
    pub anonymous_connections: usize,
    /// Of those, from one address.
    pub anonymous_connections_per_source: usize,
    /// Largest message that is decoded, bytes.
    pub message_bytes: usize,
    /// Largest report of one agent, bytes.
    pub report_bytes: u32,
    /// Concurrent calls on one connection.
    pub streams_per_connection: u32,
    /// A connection is closed at this age, so that a lost ban cannot last. Longer than half the
    /// life of a node certificate: agents that renew move before.
    #[serde(deserialize_with = "duration::deserialize")]
    pub connection_age: Duration,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level, or a filter in the form of `tracing` (`info,h8lio_coordinator::accept=debug`).
    pub level: String,
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// The journal under systemd, text otherwise.
    Auto,
    Text,
    Json,
    Journal,
}

fn default_name() -> OperatorName {
    // Held by a test.
    "c1".parse()
        .unwrap_or_else(|_| unreachable!("c1 is a name"))
}

fn default_listen() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, 7443).into()
}

fn default_store() -> PathBuf {
    "coordinator.db".into()
}

fn default_pki() -> PathBuf {
    "pki".into()
}

impl Default for Metrics {
    fn default() -> Self {
        Self::Listen((Ipv4Addr::LOCALHOST, 9464).into())
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match String::deserialize(d)?.as_str() {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::Listen).map_err(|_| {
                let why = format!("{text:?} is neither an address like 127.0.0.1:9464 nor \"off\"");
                de::Error::custom(why)
            }),
        }
    }
}

fn optional_duration<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(d).map(Some)
}

impl Default for Session {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(1),
            suspect_after: None,
            unreachable_after: None,
            stable_for: None,
            warm_up: None,
            report: Duration::from_secs(1),
        }
    }
}

impl Session {
    /// The timings: what the file says, the rest from the beat.
    pub fn timing(&self) -> Timing {
        let base = Timing::for_beat(self.beat);
        let unreachable_after = self.unreachable_after.unwrap_or(base.unreachable_after);
        Timing {
            beat: self.beat,
            suspect_after: self.suspect_after.unwrap_or(base.suspect_after),
            unreachable_after,
            restart_within: unreachable_after * 2,
            stable_for: self.stable_for.unwrap_or(base.stable_for),
            warm_up: self.warm_up.unwrap_or(base.warm_up),
        }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            node: DAY,
            operator: DAY * 90,
            coordinator: DAY * 30,
            recovery_limit: DAY * 30,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            pending_handshakes: 1_024,
            pending_handshakes_per_source: 256,
            connections: 20_000,
            anonymous_connections: 1_024,
            anonymous_connections_per_source: 64,
            message_bytes: 4 << 20,
            report_bytes: 2 << 20,
            streams_per_connection: 64,
            connection_age: HOUR * 26,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
        }
    }
}

impl Settings {
    /// What a file with nothing but the fleet means.
    pub fn defaults(fleet: FleetName) -> Self {
        Self {
            fleet,
            name: default_name(),
            listen: default_listen(),
            advertise: Vec::new(),
            metrics: Metrics::default(),
            store: default_store(),
            pki: default_pki(),
            session: Session::default(),
            certificates: Certificates::default(),
            limits: Limits::default(),
            maintenance: Maintenance::default(),
            log: Log::default(),
        }
    }

    /// The addresses that go into tokens and contexts: `advertise`, or `listen` when that is one
    /// address. Never empty in settings that were loaded.
    pub fn addresses(&self) -> Vec<String> {
        if self.advertise.is_empty() {
            return vec![self.listen.to_string()];
        }
        self.advertise.clone()
    }
}
