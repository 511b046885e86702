//! `h8lctl operator …`

pub mod create;
pub mod list;
pub mod revoke;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give access: makes a key here, has it signed and writes a context file
    Create(create::Args),
    /// List operators
    List(list::Args),
    /// End an operator's access at once
    Revoke(revoke::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Create(args) => create::run(ctl, &args).await,
        Command::List(args) => list::run(ctl, &args).await,
        Command::Revoke(args) => revoke::run(ctl, &args).await,
    }
}
