//! How a transaction ended: observed in the database, never taken from an exit code, from systemd,
//! or from the last line of a log.

use h8lio_model::inventory::BrokenPackage;

use super::database::{Database, Diagnosis};
use super::judge::Change;
use crate::host::patching::{Ended, RawTrace, Written};
use crate::reconcile::patching::parse::progress::{Progress, progress};

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was asked for and has not begun; it may still be withdrawn.
    NotBegun,
    /// It is at work, or somebody else is in the database.
    Running(Option<Progress>),
    /// Every change is in the database, and nothing is half-done.
    Applied(Ending),
    /// No change is in the database, and nothing is half-done.
    NothingDone(Ending),
    /// Some changes are, and nothing is half-done.
    PartlyDone {
        missing: Vec<String>,
        ending: Ending,
    },
    /// The database has to be repaired first.
    Damaged {
        broken: Vec<BrokenPackage>,
        ending: Ending,
    },
    /// Whether it runs cannot be told; ask again.
    Unknown { why: String },
}

/// What it left to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Its own word. `None`: it left none, so power was cut or it was killed.
    pub word: Option<Ended>,
    /// Configuration files that stay their owner's although the package has news for them.
    pub conffiles: Vec<String>,
    /// Complaints in its status stream.
    pub errors: Vec<String>,
}

/// Judges a transaction of `changes` by its trace and the database as it is now.
pub fn outcome(changes: &[Change], trace: &RawTrace, now: &Database) -> Outcome {
    match trace.running {
        Some(true) => return Outcome::Running(progress(&trace.status)),
        None => {
            let why = trace.problems.first().map(|p| p.message.clone());
            return Outcome::Unknown {
                why: why.unwrap_or_else(|| "its lock cannot be looked at".to_owned()),
            };
        }
        Some(false) if !trace.begun => return Outcome::NotBegun,
        Some(false) => {}
    }
    let ending = ending(trace);
    match now.diagnose() {
        // Killed, it may leave a dpkg behind that is still at work.
        Diagnosis::Busy(_) => Outcome::Running(progress(&trace.status)),
        Diagnosis::Interrupted { broken } => Outcome::Damaged { broken, ending },
        Diagnosis::Whole => {
            let missing: Vec<String> = changes
                .iter()
                .filter(|c| now.package(&c.name).is_none_or(|k| k.version != c.to))
                .map(|c| c.name.clone())
                .collect();
            match missing.len() {
                0 => Outcome::Applied(ending),
                n if n == changes.len() => Outcome::NothingDone(ending),
                _ => Outcome::PartlyDone { missing, ending },
            }
        }
    }
}

fn ending(trace: &RawTrace) -> Ending {
    let written = trace.result.as_deref();
    let written = written.and_then(|r| serde_json::from_slice::<Written>(r).ok());
    let (errors, conffiles) = progress(&trace.status)
        .map(|p| (p.errors, p.conffiles))
        .unwrap_or_default();
    Ending {
        word: written.map(|w| w.ended),
        conffiles,
        errors,
    }
}
