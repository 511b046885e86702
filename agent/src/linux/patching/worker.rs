//! The program of a transaction's unit: takes the lock, says that it has begun, lets the package
//! manager work, and writes down how that ended.

use std::io;
use std::path::Path;
use std::time::Duration;

use h8lio_model::ids::BootId;
use h8lio_tls::files::FileError;
use uuid::Uuid;

use super::apt::{self, Apt};
use super::folder::Folder;
use crate::host::patching::{Ended, Spec, Written};
use crate::linux::exec::{self, ExecError};

/// Why a transaction did not work, or could not say how it ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("cannot use the folder of transaction {attempt}")]
    Folder {
        attempt: Uuid,
        #[source]
        source: io::Error,
    },
    #[error("transaction {attempt} is not wanted any more")]
    Withdrawn { attempt: Uuid },
    #[error("transaction {attempt} began before, and is not begun again")]
    BegunBefore { attempt: Uuid },
    #[error("cannot write down {what} of transaction {attempt}")]
    Write {
        attempt: Uuid,
        what: &'static str,
        #[source]
        source: FileError,
    },
}

/// Carries out the transaction of `attempt` below `state_dir`.
///
/// # Errors
/// [`WorkError`]. How the package manager ended is no error: it is written down.
pub fn carry_out(state_dir: &Path, attempt: Uuid) -> Result<Written, WorkError> {
    carry_out_with(&Apt::of_the_server(), state_dir, attempt)
}

pub(super) fn carry_out_with(
    apt: &Apt,
    state_dir: &Path,
    attempt: Uuid,
) -> Result<Written, WorkError> {
    let folder = Folder::of(state_dir, attempt);
    let unusable = |source| WorkError::Folder { attempt, source };
    let _lock = folder.lock().map_err(unusable)?;
    if folder.is_withdrawn() {
        return Err(WorkError::Withdrawn { attempt });
    }
    if folder.has_begun() {
        return Err(WorkError::BegunBefore { attempt });
    }
    let spec = folder.spec().map_err(unusable)?;
    let spec = spec.ok_or(WorkError::Withdrawn { attempt })?;
    let boot_id = boot_id().map_err(unusable)?;
    let unwritten = |what| {
        move |source| WorkError::Write {
            attempt,
            what,
            source,
        }
    };
    folder.begin(boot_id).map_err(unwritten("the begin"))?;
    let written = Written {
        attempt,
        boot_id,
        ended: work(apt, state_dir, &folder, &spec),
    };
    folder.end(&written).map_err(unwritten("the end"))?;
    Ok(written)
}

fn work(apt: &Apt, state_dir: &Path, folder: &Folder, spec: &Spec) -> Ended {
    let not_started = |e: &dyn std::error::Error| Ended::NotStarted {
        why: crate::chain(e),
    };
    let (tool, args) = match apt.transaction(&spec.action, &state_dir.join("way-back")) {
        Ok(it) => it,
        Err(e) => return not_started(&e),
    };
    let outputs = match folder.outputs() {
        Ok(outputs) => outputs,
        Err(e) => return not_started(&e),
    };
    // The copies stay open to be made durable before the end is written down.
    let copies = (outputs.0.try_clone(), outputs.1.try_clone());
    let deadline = Duration::from_secs(spec.deadline_seconds);
    let ended = exec::run_into(tool, &args, apt::ENV, deadline, outputs);
    for copy in [copies.0, copies.1].into_iter().flatten() {
        // Logs are for people; what counts is observed in the database.
        let _ = copy.sync_all();
    }
    match ended {
        Ok(code) => Ended::Exited {
            code,
            complaint: complaint(folder),
        },
        Err(e @ (ExecError::Missing { .. } | ExecError::Start { .. })) => not_started(&e),
        Err(e) => Ended::Killed {
            why: crate::chain(&e),
        },
    }
}

/// The last lines that begin with `E:`, for people.
fn complaint(folder: &Folder) -> String {
    let status = folder.trace().status;
    let text = String::from_utf8_lossy(&status);
    let lines: Vec<String> = text
        .lines()
        .filter(|l| l.starts_with("E: "))
        .map(crate::words::plain)
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

fn boot_id() -> io::Result<BootId> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    text.parse().map_err(io::Error::other)
}
