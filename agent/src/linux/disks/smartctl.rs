//! `smartctl --json -a`. The device type is left to smartctl's own detection: `--scan` calls a
//! SATA drive behind a SAS adapter `scsi`, and passing that on would hide its attributes.

use std::time::Duration;

use h8lio_model::inventory::Problem;

use crate::host::disks::RawSmart;
use crate::linux::exec::{self, Argv, ExecError};
use crate::linux::root::not_understood;

/// A drive that recovers a bad sector may keep a command waiting for up to 30 s.
const DEADLINE: Duration = Duration::from_secs(40);

/// The answer, or the problem and the process that is stuck on the drive.
pub(super) fn ask(device: &str) -> Result<RawSmart, (Problem, Option<u32>)> {
    let path = format!("/dev/{device}");
    let what = format!("smartctl {path}");
    let args = Argv::of(&["--json", "-a"]).operand(&path);
    let answer = args.and_then(|args| exec::run("smartctl", &args, &[], DEADLINE));
    let answer = answer.map_err(|e| match &e {
        // One problem for the server, whichever drive was asked.
        ExecError::Missing { .. } => (e.problem("smartctl"), None),
        ExecError::Stuck { pid, .. } => (e.problem(&what), Some(*pid)),
        _ => (e.problem(&what), None),
    })?;
    match serde_json::from_str(&String::from_utf8_lossy(&answer.stdout)) {
        Ok(json) => Ok(RawSmart {
            exit: answer.code,
            json,
        }),
        Err(_) => Err((
            not_understood(
                &what,
                &format!(
                    "its answer (status {}) is no JSON; smartmontools 7.0 or later is needed",
                    answer.code
                ),
            ),
            None,
        )),
    }
}

pub(super) fn still_stuck(device: &str, pid: u32) -> Problem {
    Problem {
        what: format!("smartctl {device}"),
        reason: "TimedOut".into(),
        message: format!(
            "an earlier smartctl (pid {pid}) still waits for {device}, so it is not asked again; \
             see the kernel log"
        ),
    }
}
