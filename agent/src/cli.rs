//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::Period;

/// The h8lio agent: enrolls this server in a fleet and reports on it.
#[derive(Debug, Parser)]
#[command(name = "h8lio-agent", version, subcommand_required = false)]
pub struct Cli {
    /// Configuration file [default: /etc/h8lio/agent.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// State directory, instead of the one in the configuration.
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// What to log: a level, or targets with levels such as h8lio_agent=debug.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Check the configuration and exit (as check-config).
    #[arg(long)]
    pub check_config: bool,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enroll this server with a join token.
    ///
    /// The key is made here and never leaves. Where a person must approve, this waits and polls.
    /// Enrolling again in the same fleet changes nothing and succeeds.
    Enroll(Enroll),
    /// Run the agent.
    ///
    /// Where the server is not enrolled and systemd hands over a credential h8lio.join-token, it is
    /// enrolled first.
    Run(Run),
    /// Check the configuration.
    CheckConfig,
    /// Show who this server is in its fleet, from the state directory.
    Status,
    /// Show the version.
    Version,
    /// Carry out a package transaction that the agent wrote down. Run by its own unit.
    #[command(hide = true)]
    Transaction(Transaction),
    /// Write the manual pages.
    #[command(hide = true)]
    Man(Man),
    /// Print a completion script.
    #[command(hide = true)]
    Completion(Completion),
}

#[derive(Debug, Args)]
pub struct Enroll {
    /// File that holds the join token; "-" is standard input.
    ///
    /// Without it: the systemd credential h8lio.join-token, else standard input. A token on the command
    /// line would be seen by every user of this server.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Leave the fleet that this server belongs to now.
    #[arg(long)]
    pub replace: bool,

    /// How long to try while no coordinator can answer, such as 30s or 1h.
    ///
    /// Waiting for a person's approval has no end. A token of another fleet ends it at once.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = patience)]
    pub wait: Period,

    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct Transaction {
    /// Which one.
    #[arg(long, value_name = "ID")]
    pub attempt: uuid::Uuid,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Folder for the pages; must exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct Completion {
    /// The shell.
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Args)]
pub struct Server {
    /// Be the simulated server that FILE describes, instead of this one.
    #[arg(long, value_name = "FILE")]
    pub sim: Option<PathBuf>,
}

fn patience(text: &str) -> Result<Period, String> {
    let period = Period::try_from(text.to_owned())?;
    if period.0 < Duration::from_secs(1) {
        return Err("the shortest is 1s".to_owned());
    }
    Ok(period)
}
