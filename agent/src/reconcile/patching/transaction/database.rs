//! Whether the package database is whole, and what to do when it is not.

use std::collections::BTreeMap;
use std::fmt;

use h8lio_model::inventory::BrokenPackage;

use crate::host::patching::{LockHolder, RawDatabase};
use crate::reconcile::patching::is_journal;
use crate::reconcile::patching::parse::dpkg::Known;
use crate::reconcile::patching::parse::{audit, dpkg};
use crate::words::{list, plain};

/// The database, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    pub packages: BTreeMap<String, Known>,
    /// What is half-done, by the database or by the audit.
    pub broken: Vec<BrokenPackage>,
    /// dpkg's journal was not folded into the database: dpkg runs, or was cut off.
    pub journal: bool,
    pub locks: Vec<LockHolder>,
}

/// Something about the database is not known, and unknown is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the package database cannot be judged: {what}: {why}")]
pub struct Unreadable {
    pub what: String,
    pub why: String,
}

/// What the database allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// Nothing is half-done and nobody is at work.
    Whole,
    /// Somebody is at work; whatever looks broken may be theirs.
    Busy(Vec<LockHolder>),
    /// Something was cut off: repair comes first.
    Interrupted { broken: Vec<BrokenPackage> },
}

/// Reads the raw outputs.
///
/// # Errors
/// [`Unreadable`] when one is missing or not understood.
pub fn read(raw: &RawDatabase) -> Result<Database, Unreadable> {
    let missing = |what: &str| Unreadable {
        what: what.to_owned(),
        why: raw
            .problems
            .iter()
            .find(|p| p.what == what)
            .or(raw.problems.first())
            .map_or_else(|| "it was not read".to_owned(), |p| p.message.clone()),
    };
    let odd = |what: &str, why: &dyn fmt::Display| Unreadable {
        what: what.to_owned(),
        why: why.to_string(),
    };
    let installed = raw
        .installed
        .as_deref()
        .ok_or_else(|| missing("dpkg-query"))?;
    let audit_said = raw
        .audit
        .as_deref()
        .ok_or_else(|| missing("dpkg --audit"))?;
    let journal = raw
        .journal
        .as_deref()
        .ok_or_else(|| missing("dpkg journal"))?;
    let locks = raw.locks.clone().ok_or_else(|| missing("locks"))?;
    let packages = dpkg::known(installed).map_err(|e| odd("dpkg-query", &e))?;
    let states = dpkg::database(installed).map_err(|e| odd("dpkg-query", &e))?;
    let complaints = audit::complaints(audit_said).map_err(|e| odd("dpkg --audit", &e))?;
    Ok(Database {
        packages,
        broken: crate::reconcile::patching::merged(states.broken, complaints),
        journal: journal.iter().any(|f| is_journal(f)),
        locks,
    })
}

impl Database {
    /// What it allows now.
    pub fn diagnose(&self) -> Diagnosis {
        if !self.locks.is_empty() {
            return Diagnosis::Busy(self.locks.clone());
        }
        if self.broken.is_empty() && !self.journal {
            return Diagnosis::Whole;
        }
        Diagnosis::Interrupted {
            broken: self.broken.clone(),
        }
    }

    /// The package called `name` by apt: without an architecture it is the server's own.
    pub fn package(&self, name: &str) -> Option<&Known> {
        match name.split_once(':') {
            Some((base, architecture)) => self.find(base, architecture),
            None => self
                .packages
                .get(name)
                .or_else(|| self.find(name, self.native()?)),
        }
    }

    /// The package of this name and architecture. dpkg writes the architecture into the name only
    /// where several can be installed at a time.
    pub fn find(&self, name: &str, architecture: &str) -> Option<&Known> {
        let alone = self.packages.get(name);
        alone
            .filter(|k| k.architecture == architecture)
            .or_else(|| self.packages.get(&format!("{name}:{architecture}")))
    }

    /// The architecture of dpkg itself, which is the server's.
    pub fn native(&self) -> Option<&str> {
        self.packages.get("dpkg").map(|p| p.architecture.as_str())
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = self.command.as_deref().map(plain);
        let command = command.as_deref().unwrap_or("a process");
        match self.pid {
            Some(pid) => write!(f, "{command} (pid {pid}) holds {}", self.file),
            None => write!(
                f,
                "{command} that is not seen from here holds {}",
                self.file
            ),
        }
    }
}

/// One step of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `dpkg --configure -a`: finishes what was unpacked. It returns 0 and does nothing about a
    /// package that was cut off while unpacking.
    ConfigureAll,
    /// `apt-get --fix-broken install`: unpacks such a package again. It refuses to run before the
    /// first step.
    FixBroken,
}

/// How a repair goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    Run(Step),
    Done,
    /// A person has to look: everything was tried once.
    Hopeless {
        left: Vec<BrokenPackage>,
    },
    Wait(Vec<LockHolder>),
}

/// The measured order: configure, fix, and then the audit must print nothing. What a step's exit
/// code was plays no part; both steps are run, also when the first seems to have been enough,
/// because a package can be whole and its dependencies not.
pub fn repair(done: &[Step], now: &Database) -> Repair {
    let diagnosis = now.diagnose();
    match (done, diagnosis) {
        (_, Diagnosis::Busy(holders)) => Repair::Wait(holders),
        ([], Diagnosis::Whole) => Repair::Done,
        ([], Diagnosis::Interrupted { .. }) => Repair::Run(Step::ConfigureAll),
        ([Step::ConfigureAll], _) => Repair::Run(Step::FixBroken),
        (_, Diagnosis::Whole) => Repair::Done,
        (_, Diagnosis::Interrupted { broken }) => Repair::Hopeless { left: broken },
    }
}

/// A repair, told once.
pub fn told(before: &[BrokenPackage]) -> String {
    let names: Vec<String> = before
        .iter()
        .map(|b| format!("{} ({})", b.name, b.state))
        .collect();
    match names.as_slice() {
        [] => "dpkg was interrupted; its journal was folded in and nothing was half-done".into(),
        some => format!("dpkg was interrupted; repaired: {}", list(some, 8)),
    }
}
