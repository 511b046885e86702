//! ssh to a server, from inside the namespace. One connection to each server stays open and
//! carries every later call (ControlMaster): 0.05 s instead of more than one.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::clock::until;
use crate::process::{self, command};
use crate::space::{Network, Space};

/// What ssh says when the connection that it shares ended before it could be used.
const LOST: &str = "mux_client_request_session: read from master failed";

/// Logs in to servers of the lab.
#[derive(Debug, Clone)]
pub struct Ssh {
    space: Space,
    key: PathBuf,
    sockets: PathBuf,
}

impl Ssh {
    /// `sockets` is where connections are kept.
    pub(crate) fn new(space: &Space, key: &Path, sockets: &Path) -> Self {
        Self {
            space: space.clone(),
            key: key.to_owned(),
            sockets: sockets.to_owned(),
        }
    }

    /// The command that logs in as root to the server with this number.
    pub fn command(&self, number: u8) -> Command {
        let mut ssh = self.space.command("ssh");
        ssh.args(self.options(number));
        ssh.arg(format!("root@{}", Network::Mgmt.server(number)));
        ssh
    }

    /// Options that ssh, scp and sftp take alike.
    pub fn options(&self, number: u8) -> Vec<String> {
        let mut list = vec!["-i".to_owned(), self.key.display().to_string()];
        let socket = format!("ControlPath={}", self.socket(number).display());
        let fixed = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            // Servers are made anew with new keys, in a network that is the lab's alone.
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ControlMaster=auto",
            "ControlPersist=600",
        ];
        for option in fixed.into_iter().chain([socket.as_str()]) {
            list.extend(["-o".to_owned(), option.to_owned()]);
        }
        list
    }

    /// Runs a shell command; it must succeed. What it prints is returned.
    ///
    /// # Errors
    /// When it fails, or is not done within `limit`.
    pub fn run(&self, number: u8, script: &str, limit: Duration) -> Result<String> {
        let run = || {
            let mut ssh = self.command(number);
            ssh.arg("--").arg(script);
            process::run_as(&format!("on s{number}, {script}"), ssh, limit)
        };
        match run() {
            // The server was booted by somebody else, and the open connection did not know it yet: the
            // command had not begun.
            Err(e) if format!("{e:#}").contains(LOST) => {
                self.forget(number);
                run()
            }
            done => done,
        }
    }

    /// Runs a shell command that may fail.
    ///
    /// # Errors
    /// When ssh itself fails (exit status 255), or it is not done within `limit`.
    pub fn output(&self, number: u8, script: &str, limit: Duration) -> Result<Output> {
        let mut ssh = self.command(number);
        ssh.arg("--").arg(script);
        let output = process::output(ssh, limit)?;
        if output.status.code() == Some(255) {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("cannot reach s{number}: {said}");
        }
        Ok(output)
    }

    /// Copies a file or folder to a server.
    ///
    /// # Errors
    /// When scp fails.
    pub fn copy_to(&self, number: u8, from: &Path, to: &str, limit: Duration) -> Result<()> {
        let there = format!("root@{}:{to}", Network::Mgmt.server(number));
        self.copy(number, from.as_os_str(), OsStr::new(&there), limit)
    }

    /// Copies a file or folder from a server.
    ///
    /// # Errors
    /// When scp fails.
    pub fn copy_from(&self, number: u8, from: &str, to: &Path, limit: Duration) -> Result<()> {
        let there = format!("root@{}:{from}", Network::Mgmt.server(number));
        self.copy(number, OsStr::new(&there), to.as_os_str(), limit)
    }

    /// Waits until a login works, and returns the boot id of who answers.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait(&self, number: u8, limit: Duration) -> Result<String> {
        let mut why = String::new();
        let each = Duration::from_secs(60);
        let found = until(&format!("s{number} answers to ssh"), limit, || {
            match self.run(number, "cat /proc/sys/kernel/random/boot_id", each) {
                Ok(boot_id) => Ok(Some(boot_id)),
                Err(e) => {
                    why = format!("{e:#}");
                    self.forget(number);
                    Ok(None)
                }
            }
        });
        found.with_context(|| format!("the last attempt: {why}"))
    }

    /// Drops the open connection: after a power cut it would only time out.
    pub fn forget(&self, number: u8) {
        let socket = self.socket(number);
        if socket.exists() {
            let mut exit = self.command(number);
            exit.args(["-O", "exit"]);
            // One that is dead already is what we want.
            let _ = process::output(exit, Duration::from_secs(5));
            let _ = fs::remove_file(socket);
        }
    }

    fn copy(&self, number: u8, from: &OsStr, to: &OsStr, limit: Duration) -> Result<()> {
        let mut scp = self.space.command("scp");
        scp.args(self.options(number)).args(["-q", "-r", "-p"]);
        scp.args([from, to]);
        process::run(scp, limit)?;
        Ok(())
    }

    fn socket(&self, number: u8) -> PathBuf {
        self.sockets.join(format!("s{number}.ssh"))
    }
}

/// Makes the lab's own key unless it is there.
pub(crate) fn make_key(key: &Path) -> Result<()> {
    if key.exists() {
        return Ok(());
    }
    let mut keygen = command("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "h8lio-lab", "-f"]);
    keygen.arg(key);
    process::run(keygen, Duration::from_secs(20)).context("cannot make the lab's ssh key")?;
    Ok(())
}
