//! `h8lctl context …`: local, no coordinator is asked.

pub mod import;
pub mod list;
pub mod remove;
pub mod show;
pub mod use_;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Store a context file that a coordinator or an admin gave you
    Import(import::Args),
    /// List stored contexts
    List(list::Args),
    /// Make a stored context the current one
    Use(use_::Args),
    /// Show the context that would be used, without its key
    Show(show::Args),
    /// Forget a stored context and its key
    Remove(remove::Args),
}

pub(crate) fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Import(args) => import::run(ctl, args),
        Command::List(args) => list::run(ctl, &args),
        Command::Use(args) => use_::run(ctl, &args),
        Command::Show(args) => show::run(ctl, &args),
        Command::Remove(args) => remove::run(ctl, &args),
    }
}
