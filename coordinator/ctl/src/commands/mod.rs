//! The commands, one file each.

pub mod audit;
pub mod backup;
pub mod completion;
pub mod context;
pub mod event;
pub mod explain;
pub mod man;
pub mod node;
pub mod operator;
pub mod rollout;
pub mod status;
pub mod token;
pub mod version;
pub mod what_if;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

/// The nouns, and the commands that have none.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which coordinator you talk to, as whom, and how the fleet is
    Status(status::Args),
    /// List, inspect, approve, ban and label servers
    #[command(subcommand)]
    Node(node::Command),
    /// Make and revoke join tokens for new servers
    #[command(subcommand)]
    Token(token::Command),
    /// Bring updates to the fleet, steer and watch it
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Say what holds a node or a rollout, since when, and what would end it
    #[command(subcommand)]
    Explain(explain::Command),
    /// Ask whether nodes may go down together; exit code 1 when they may not
    WhatIf(what_if::Args),
    /// See what happened
    #[command(subcommand)]
    Event(event::Command),
    /// Read and verify the log of who changed what
    #[command(subcommand)]
    Audit(audit::Command),
    /// Copy what the coordinator knows, and go on after a loss
    #[command(subcommand)]
    Backup(backup::Command),
    /// Give and take operators' access
    #[command(subcommand)]
    Operator(operator::Command),
    /// Choose the fleet and the identity to work with
    #[command(subcommand)]
    Context(context::Command),
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man(man::Args),
    /// Print the version of h8lctl and of the protocol
    Version(version::Args),
}

/// Carries out one command.
///
/// # Errors
/// What `main` prints as one line.
pub async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Status(args) => status::run(ctl, &args).await,
        Command::Node(c) => node::run(ctl, c).await,
        Command::Token(c) => token::run(ctl, c).await,
        Command::Rollout(c) => rollout::run(ctl, c).await,
        Command::Explain(c) => explain::run(ctl, c).await,
        Command::WhatIf(args) => what_if::run(ctl, &args).await,
        Command::Event(c) => event::run(ctl, c).await,
        Command::Audit(c) => audit::run(ctl, c).await,
        Command::Backup(c) => backup::run(ctl, c).await,
        Command::Operator(c) => operator::run(ctl, c).await,
        Command::Context(c) => context::run(ctl, c),
        Command::Completion(args) => completion::run(ctl, &args),
        Command::Man(args) => man::run(ctl, &args),
        Command::Version(args) => version::run(ctl, &args),
    }
}
