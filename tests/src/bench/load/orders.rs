//! What the bench and its load say to each other.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the load is to do. It answers when it is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Joins a fleet as many servers; sessions open with [`Order::Open`].
    Enroll {
        token: String,
        prefix: String,
        count: usize,
    },
    /// Stands for as many lease clients of an etcd.
    Etcd { access: EtcdAccess, count: usize },
    /// Opens all sessions, and again whenever one is lost.
    Open,
    /// Ends all sessions.
    Close,
    /// Signs of life at this interval from every session; zero: none.
    Beat { every: Duration },
    /// A full inventory from every session; another number, another content.
    Report { round: u64 },
    /// Only answers.
    Counts,
    /// Puts by so many callers, each on its own key.
    EtcdPuts { callers: usize, window: Duration },
    /// The same into a store of the coordinator's kind.
    StorePuts {
        file: PathBuf,
        callers: usize,
        window: Duration,
    },
    /// How large an inventory is.
    InventoryBytes,
}

/// How to reach an etcd; PEM files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EtcdAccess {
    /// `host:port`.
    pub address: String,
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The answer to an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Done(Reply),
    Failed(String),
}

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    Counts(Counts),
    Puts(Puts),
    Bytes(usize),
}

/// What the load has seen since it began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Sessions open now.
    pub open: usize,
    /// Signs of life sent, and those answered (a coordinator answers none).
    pub sent: u64,
    pub answered: u64,
    /// Sessions that ended, and attempts that failed.
    pub lost: u64,
    pub failed: u64,
    /// Why the last one did.
    pub last_error: Option<String>,
}

/// Durable writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Puts {
    pub per_second: f64,
    /// Milliseconds from call to answer.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Puts {
    /// From how long each took, in milliseconds, in a window.
    pub fn from_times(mut times: Vec<f64>, took: Duration) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = times.len().saturating_sub(1);
            times
                .get((share * last as f64).round() as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Self {
            per_second: times.len() as f64 / took.as_secs_f64(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}
