//! `h8lctl node …`

pub mod allow_recovery;
pub mod approve;
pub mod ban;
pub mod decommission;
pub mod doctor;
mod find;
pub mod label;
pub mod list;
pub mod outcome;
pub mod show;
pub mod unban;

use clap::Subcommand;

use crate::Ctl;
use crate::errors::{CtlError, Exit};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List servers
    List(list::Args),
    /// Show one server in full
    Show(show::Args),
    /// Say what keeps a server from being managed; exit code 1 when something needs attention
    Doctor(doctor::Args),
    /// Let a pending server in, or end its quarantine
    Approve(outcome::Target),
    /// Ban a server's identity; its workload stays as it is
    Ban(outcome::Target),
    /// End a ban
    Unban(outcome::Target),
    /// End a server's membership for good
    Decommission(outcome::Target),
    /// Set and remove labels, roles and topology
    Label(label::Args),
    /// Let a server whose certificate expired long ago come back
    AllowRecovery(allow_recovery::Args),
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    match command {
        Command::List(args) => list::run(ctl, args).await,
        Command::Show(args) => show::run(ctl, &args).await,
        Command::Doctor(args) => doctor::run(ctl, &args).await,
        Command::Approve(args) => approve::run(ctl, &args).await,
        Command::Ban(args) => ban::run(ctl, &args).await,
        Command::Unban(args) => unban::run(ctl, &args).await,
        Command::Decommission(args) => decommission::run(ctl, &args).await,
        Command::Label(args) => label::run(ctl, &args).await,
        Command::AllowRecovery(args) => allow_recovery::run(ctl, &args).await,
    }
}
