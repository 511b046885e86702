//! `h8lctl rollout …`

pub mod acknowledge;
pub mod control;
pub mod create;
pub(super) mod find;
pub mod list;
pub mod retry;
pub mod show;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use control::Wish;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring updates to a part of the fleet, or say what would come of it
    Create(Box<create::Args>),
    /// List rollouts, the newest first
    List(list::Args),
    /// Show a rollout: how far it is, what holds it, each of its nodes
    Show(show::Args),
    /// Begin no further node; what has begun is finished
    Pause(control::Args),
    /// Go on after a pause
    Resume(control::Args),
    /// Give a rollout up; nodes that have not begun stay as they are
    Cancel(control::Args),
    /// Say that you have looked at how a node's attempt ended; its slot may end then
    Acknowledge(acknowledge::Args),
    /// Let a node that failed try once more
    Retry(retry::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::Create(args) => create::run(ctl, &args).await,
        Command::List(args) => list::run(ctl, &args).await,
        Command::Show(args) => show::run(ctl, &args).await,
        Command::Pause(args) => control::run(ctl, &args, Wish::Pause).await,
        Command::Resume(args) => control::run(ctl, &args, Wish::Resume).await,
        Command::Cancel(args) => control::run(ctl, &args, Wish::Cancel).await,
        Command::Acknowledge(args) => acknowledge::run(ctl, &args).await,
        Command::Retry(args) => retry::run(ctl, &args).await,
    }
}
