//! Who is ready for the end of a rotation: written by the coordinator that runs, read by
//! `ca rotate finish`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::lifecycle::Admission;
use h8lio_model::operator::Operator;
use h8lio_model::section::Digest;
use h8lio_tls::files::{self, FileError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::authority::Authority;
use super::rotation::UnderWay;
use crate::config::Settings;
use crate::registry::Node;

/// The report. A node is ready when it said that it has this bundle *and* its certificate was
/// issued after the rotation began; an operator when the certificate was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgements {
    /// Digest of the bundle that this is about.
    pub bundle: Digest,
    pub as_of: Timestamp,
    /// Nodes and operators in all, without those that were decommissioned or revoked.
    pub known: usize,
    /// Those that are not ready.
    pub waiting: Vec<Waiting>,
}

/// Somebody who still needs the old root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiting {
    /// `node/<uuid>` or `operator/<name>`.
    pub who: String,
    /// As operators say it.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

impl Acknowledgements {
    /// Where the report of a coordinator lies: beside its store.
    pub fn path(settings: &Settings) -> PathBuf {
        settings.store.with_file_name("trust-acknowledgements.json")
    }

    /// Writes the report.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        // Texts, numbers and times: this form always exists.
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        files::write_private(path, &json)
    }

    /// Reads a report; `None` when there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(path: &Path) -> Result<Option<Self>, ReadError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ReadError::Read(e)),
        }
    }
}

/// How long after its begin a rotation has reached the running coordinator for sure: operators'
/// certificates made before may still be of the old authority.
const TAKEN_UP: Duration = Duration::from_secs(60);

/// Makes the report about a rotation from what is known of nodes and operators.
pub fn report(
    authority: &Authority,
    under_way: UnderWay,
    nodes: &[Arc<Node>],
    operators: &[Operator],
    as_of: Timestamp,
) -> Acknowledgements {
    let mut known = 0;
    let mut waiting = Vec::new();
    for node in nodes {
        let record = node.record();
        let (record, seen) = (&record.value, node.seen());
        // Who waits for approval has nothing yet that could go bad.
        if record.admission != Admission::Enrolled {
            continue;
        }
        known += 1;
        let current = record
            .current
            .as_ref()
            .is_some_and(|c| c.authority == authority.generation());
        if !current || seen.trust_bundle != Some(under_way.bundle) {
            waiting.push(Waiting {
                who: format!("node/{}", record.id),
                name: record.name.to_string(),
                last_seen: seen.session_at,
            });
        }
    }
    let usable = |o: &&Operator| o.revoked_at.is_none() && o.expires_at >= as_of;
    for operator in operators.iter().filter(usable) {
        known += 1;
        if operator.created_at < under_way.begun_at + TAKEN_UP {
            waiting.push(Waiting {
                who: format!("operator/{}", operator.name),
                name: operator.name.to_string(),
                last_seen: None,
            });
        }
    }
    Acknowledgements {
        bundle: under_way.bundle,
        as_of,
        known,
        waiting,
    }
}

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read the report")]
    Read(#[source] std::io::Error),
    #[error("the report is damaged")]
    Damaged(#[from] serde_json::Error),
}

#[cfg(test)]
#[path = "acknowledge_tests.rs"]
mod tests;
