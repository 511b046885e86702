//! The namespace that holds everything: an own network, so that no address of the lab is ever the
//! machine's, and own process ids, so that nothing of it survives its end.
//!
//! ```text
//!   mgmt 10.77.0.0/24   space .1    servers .11 .12 .13    their BMCs .21 .22 .23
//!   priv 10.77.1.0/24   space .1    servers .11 .12 .13
//! ```
//! Both are bridges, with a tap for each server. There is no way out of them.

mod cut;
mod network;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

pub use self::cut::End;
pub use self::network::Network;
use crate::process::{self, Processes, Record};

/// The name of the process whose end is the end of the namespace.
const HOLDER: &str = "space";

/// What configures a network answers at once, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// How long a lab lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody takes it down.
    Kept,
    /// Until the thread that creates it ends, whatever ends it: for tests, whose runner may be
    /// killed.
    WithThisThread,
}

/// A running namespace.
#[derive(Debug, Clone)]
pub struct Space {
    holder: Record,
}

impl Space {
    /// Makes the namespace with both bridges.
    ///
    /// # Errors
    /// When there is one already, or the kernel refuses.
    pub fn create(processes: &Processes, lifetime: Lifetime) -> Result<Self> {
        let holder = processes
            .start(HOLDER, holder(lifetime))
            .context("cannot make the lab's namespace")?;
        let space = Self { holder };
        space.lay_out().inspect_err(|_| {
            // The cause is what is reported; nothing of a half-made space is of use.
            let _ = processes.kill(HOLDER);
        })?;
        Ok(space)
    }

    /// The namespace of a lab that is up.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn open(processes: &Processes) -> Result<Option<Self>> {
        Ok(processes.running(HOLDER)?.map(|holder| Self { holder }))
    }

    /// Ends everything in it, at once.
    ///
    /// # Errors
    /// When it survives that.
    pub fn destroy(processes: &Processes) -> Result<()> {
        processes.kill(HOLDER)
    }

    /// A command whose program runs inside. From inside it is the program itself.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        if self.are_we_inside() {
            return process::command(program);
        }
        let mut command = process::command("nsenter");
        command.arg(format!("--target={}", self.holder.pid));
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--net", "--pid", "--"]).arg(program);
        command
    }

    /// Runs a program inside that must succeed within a short time.
    ///
    /// # Errors
    /// When it does not.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(program);
        command.args(arguments);
        process::run(command, LIMIT)
    }

    /// Gives the namespace itself another address of a network, for a BMC or a second coordinator.
    ///
    /// # Errors
    /// When it has it already.
    pub fn add_address(&self, network: Network, host: u8) -> Result<()> {
        let address = format!("{}/24", network.address(host));
        self.run("ip", &["address", "add", &address, "dev", network.name()])?;
        Ok(())
    }

    /// Makes the tap that joins a server to a network, and returns its name. One that is there
    /// already stays.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn tap(&self, server: &str, network: Network) -> Result<String> {
        let tap = network.tap(server);
        if self.run("ip", &["link", "show", "dev", &tap]).is_ok() {
            return Ok(tap);
        }
        self.run("ip", &["tuntap", "add", "dev", &tap, "mode", "tap"])?;
        self.run("ip", &["link", "set", &tap, "master", network.name(), "up"])?;
        Ok(tap)
    }

    /// Bridges, addresses, and the table that cuts are made in.
    fn lay_out(&self) -> Result<()> {
        self.run("ip", &["link", "set", "lo", "up"])?;
        for network in Network::ALL {
            let name = network.name();
            // No spanning tree and no learning delay: a link that comes up carries traffic.
            self.run(
                "ip",
                &["link", "add", name, "type", "bridge", "forward_delay", "0"],
            )?;
            self.run("ip", &["link", "set", name, "up"])?;
            self.add_address(network, Network::SPACE)?;
        }
        self.prepare_cuts()
    }

    fn are_we_inside(&self) -> bool {
        let namespace =
            |of: &str| -> Option<PathBuf> { fs::read_link(format!("/proc/{of}/ns/pid")).ok() };
        let ours = namespace("self");
        ours.is_some() && ours == namespace(&self.holder.pid.to_string())
    }
}

/// The command that makes the namespaces and keeps them: their first process, whose end is the
/// end of all others. It ignores SIGCHLD, so that orphans are reaped by the kernel.
fn holder(lifetime: Lifetime) -> Command {
    let mut words: Vec<&str> = Vec::new();
    if lifetime == Lifetime::WithThisThread {
        words.extend(["setpriv", "--pdeathsig", "KILL"]);
    }
    words.push("unshare");
    if !nix::unistd::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend(["--net", "--pid", "--fork", "--kill-child=KILL", "--"]);
    words.extend(["env", "--ignore-signal=CHLD", "sleep", "infinity"]);
    let mut command = process::command(words[0]);
    command.args(&words[1..]);
    command
}

#[cfg(test)]
mod tests;
