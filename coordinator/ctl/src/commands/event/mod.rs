//! `h8lctl event …`

pub mod list;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, the newest last
    List(list::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::List(args) => list::run(ctl, args).await,
    }
}
