//! `h8lctl token …`

pub mod create;
pub mod list;
pub mod revoke;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token that lets servers join; it is shown once
    Create(Box<create::Args>),
    /// List tokens, without their secrets
    List(list::Args),
    /// Make a token useless
    Revoke(revoke::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Create(args) => create::run(ctl, &args).await,
        Command::List(args) => list::run(ctl, &args).await,
        Command::Revoke(args) => revoke::run(ctl, &args).await,
    }
}
