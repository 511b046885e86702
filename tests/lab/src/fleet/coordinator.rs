//! The coordinator, inside the namespace.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Fleet;
use crate::clock::until;
use crate::process::run;
use crate::space::Network;

/// Name of its process and its log.
pub(super) const NAME: &str = "coordinator";

const LIMIT: Duration = Duration::from_secs(60);

impl Fleet<'_> {
    /// Where servers and operators reach it.
    pub fn address() -> String {
        format!("{}:7443", Network::Mgmt.space())
    }

    pub(super) fn set_up_coordinator(&self) -> Result<()> {
        let mut init = self
            .lab
            .space()
            .command(self.programs().join("h8lio-coordinator"));
        init.args(["init", "--fleet", "lab", "--operator", "admin"]);
        init.args(["--metrics", "off", "--listen", &Self::address()]);
        init.arg("--dir").arg(self.folder.join("coordinator"));
        init.arg("--context-out").arg(self.ctl.context());
        run(init, LIMIT)?;
        Ok(())
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it runs already, ends, or does not answer.
    pub fn start_coordinator(&self) -> Result<()> {
        let mut coordinator = self
            .lab
            .space()
            .command(self.programs().join("h8lio-coordinator"));
        coordinator.args(["run", "--config"]);
        coordinator.arg(self.folder.join("coordinator/coordinator.toml"));
        self.lab.processes().start(NAME, coordinator)?;
        until("the coordinator answers", LIMIT, || {
            if self.lab.processes().running(NAME)?.is_none() {
                let words = self.lab.processes().last_words(NAME);
                anyhow::bail!("the coordinator ended: {words}");
            }
            Ok(self.ctl.ask(&["status"]).ok().map(|_| ()))
        })
    }

    /// Adds a text to its configuration, and starts it with that.
    ///
    /// # Errors
    /// When it cannot be written, or the coordinator does not start with it.
    pub fn configure(&self, text: &str) -> Result<()> {
        use std::io::Write as _;
        let path = self.folder.join("coordinator/coordinator.toml");
        let mut file = std::fs::OpenOptions::new().append(true).open(&path)?;
        file.write_all(format!("\n{text}").as_bytes())?;
        self.kill_coordinator()?;
        self.start_coordinator()
    }

    /// Puts a backup in the place of its store. It must not run.
    ///
    /// # Errors
    /// What it says.
    pub fn restore_coordinator(&self, from: &Path) -> Result<()> {
        let mut restore = self
            .lab
            .space()
            .command(self.programs().join("h8lio-coordinator"));
        restore.args(["restore", "--reason", "the lab lost its store", "--dir"]);
        restore.arg(self.folder.join("coordinator"));
        restore.arg("--from").arg(from);
        run(restore, LIMIT)?;
        Ok(())
    }

    /// Ends it without a chance to say goodbye.
    ///
    /// # Errors
    /// When it survives.
    pub fn kill_coordinator(&self) -> Result<()> {
        self.lab.processes().kill(NAME)
    }
}
