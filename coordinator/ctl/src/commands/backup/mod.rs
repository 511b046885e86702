//! `h8lctl backup …`

pub mod accept;
pub mod create;
pub mod recovery;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy what the coordinator knows into a file
    Create(create::Args),
    /// Say whether the coordinator has lost something, and which servers were heard; exit code 1
    /// while a loss waits to be accepted
    Recovery(recovery::Args),
    /// Go on after a loss, above everything that servers were ordered
    Accept(accept::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Create(args) => create::run(ctl, &args).await,
        Command::Recovery(args) => recovery::run(ctl, &args).await,
        Command::Accept(args) => accept::run(ctl, &args).await,
    }
}
