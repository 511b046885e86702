//! `lab bmc`, and the two commands that BMCs themselves are made of.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::bmc::{self, Bmc, Mode};
use crate::checks::say;
use crate::lab::Lab;

#[derive(Debug, Args)]
pub(super) struct BmcCommand {
    /// The BMC of this server
    name: String,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Says how it behaves, or changes that: normal, slow, slow:SECONDS, dead (answers nobody),
    /// lying (says yes and does nothing, and tells the state it was asked for), deaf (says yes and
    /// does nothing, and tells the truth)
    Mode { mode: Option<Mode> },
    /// Takes it away: its process ends, the server runs on
    Stop,
    /// Brings it back
    Start,
}

impl BmcCommand {
    pub(super) fn run(&self, lab: &Lab) -> Result<()> {
        let bmc = Bmc::open(lab, &self.name)?;
        match &self.what {
            None => show(lab, &bmc)?,
            Some(What::Mode { mode: None }) => say(&bmc.folder().mode().to_string()),
            Some(What::Mode { mode: Some(mode) }) => bmc.set_mode(*mode)?,
            Some(What::Stop) => bmc.stop()?,
            Some(What::Start) => bmc.start()?,
        }
        Ok(())
    }
}

fn show(lab: &Lab, bmc: &Bmc<'_>) -> Result<()> {
    let (folder, process) = (bmc.folder(), bmc.process());
    let state = match lab.processes().running(&process)? {
        Some(record) => format!("runs, pid {}", record.pid),
        None => "has ended".to_owned(),
    };
    let log = lab.processes().log(&process);
    say(&format!(
        "{process} {state}, mode {}, log {}",
        folder.mode(),
        log.display()
    ));
    say(&bmc::how_to_ask(&folder.settings()?, &folder.certificate()));
    Ok(())
}

/// What `ipmi_sim` calls: prints what it wants to read.
pub(super) fn hook(socket: &Path, words: &[String]) -> Result<()> {
    let told = bmc::ipmi::hook::ask(socket, words)?;
    if !told.is_empty() {
        say(&told);
    }
    Ok(())
}
