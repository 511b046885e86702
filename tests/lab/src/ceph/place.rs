//! Where a cluster's programs run.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::space::{Lifetime, Space};

/// A namespace of the lab, or the machine's own loopback: a test that calls librados itself
/// cannot enter a namespace, and one that kills servers must not leave it.
#[derive(Debug, Clone)]
pub enum Place {
    Inside(Space),
    Loopback(Lifetime),
}

/// The monitors' registered port (IANA: ceph, 3300).
const MONITOR_PORT: u16 = 3300;

impl Place {
    /// A command for a tool that answers and ends.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Inside(space) => space.command(program),
            Self::Loopback(_) => process::command(program),
        }
    }

    /// A command for a program that stays. It ends with its place: with the namespace, or with
    /// the thread that started it where that was asked for.
    pub fn daemon(&self, program: &str) -> Command {
        match self {
            Self::Inside(space) => space.command(program),
            Self::Loopback(Lifetime::Kept) => process::command(program),
            Self::Loopback(Lifetime::WithThisThread) => {
                let mut command = process::command("sh");
                // A shell in front, since the process that is recorded is the one that stays.
                command.args([
                    "-c",
                    r#"exec setpriv --pdeathsig KILL -- "$0" "$@""#,
                    program,
                ]);
                command
            }
        }
    }

    /// A port for the monitor: its usual one where nobody else can have it, a free one otherwise.
    pub(super) fn monitor_port(&self) -> Result<u16> {
        if matches!(self, Self::Inside(_)) {
            return Ok(MONITOR_PORT);
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|bound| bound.local_addr());
        Ok(free.context("the loopback has no free port")?.port())
    }
}
