//! systemd's units.

use std::time::Duration;

use super::exec::{self, Argv};
use crate::host::patching::MayAct;
use crate::host::services::{RestartError, ServicesHost};

/// systemd's own limit for a start, and as much again for a stop.
const WITHIN: Duration = Duration::from_secs(180);

/// The service manager of the real server.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxServices;

impl ServicesHost for LinuxServices {
    fn restart(&self, unit: &str, _: MayAct) -> Result<(), RestartError> {
        let failed = |said: String| RestartError {
            unit: crate::words::plain(unit),
            said,
        };
        let args = Argv::of(&["restart", "--"]).operand(unit);
        let answer = args.and_then(|args| exec::run("systemctl", &args, &[], WITHIN));
        match answer {
            Ok(a) if a.code == 0 => Ok(()),
            Ok(a) => Err(failed(crate::words::first_line(&a.stderr))),
            Err(e) => Err(failed(crate::chain(&e))),
        }
    }
}
