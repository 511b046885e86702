//! `h8lctl audit …`

pub mod list;
pub mod verify;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who changed what, the newest last
    List(list::Args),
    /// Check that the log is whole; exit code 1 when it is not
    Verify(verify::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::List(args) => list::run(ctl, &args).await,
        Command::Verify(args) => verify::run(ctl, &args).await,
    }
}
