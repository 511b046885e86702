//! The transient unit that a transaction runs in.

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::host::patching::PatchError;
use crate::linux::exec::{self, Argv};

/// How long systemd may take to start a unit.
const START: Duration = Duration::from_secs(60);

/// The program; not the path of this process, which an upgrade has removed by then.
const PROGRAM: &str = "/usr/bin/h8lio-agent";

/// Starts the unit of `attempt`. `--collect` forgets it when it has ended, also when it failed; how it
/// ended is never asked of systemd.
pub(super) fn start(state_dir: &Path, attempt: Uuid) -> Result<(), PatchError> {
    const TOOL: &str = "systemd-run";
    let args = arguments(state_dir, attempt);
    let answer = exec::run(TOOL, &args, &[], START).map_err(|e| e.silent(TOOL))?;
    answer.done(TOOL)?;
    Ok(())
}

/// A transaction must not be what a server short of memory ends first, and a shutdown waits for it:
/// the signal that asks it to stop is one that stops nobody, and the next comes half an hour later.
pub(super) fn arguments(state_dir: &Path, attempt: Uuid) -> Argv {
    Argv::of(&[
        "--collect",
        "--quiet",
        "--service-type=exec",
        "--property=OOMScoreAdjust=-900",
        "--property=TimeoutStopSec=30min",
        "--property=KillMode=mixed",
        "--property=KillSignal=SIGCONT",
        "--property=SendSIGHUP=no",
    ])
    .value("--unit=", format!("h8lio-transaction-{attempt}"))
    .value(
        "--description=",
        format!("h8lio package transaction {attempt}"),
    )
    .and(&["--", PROGRAM, "transaction"])
    .value("--attempt=", attempt.to_string())
    .value("--state-dir=", state_dir)
}
