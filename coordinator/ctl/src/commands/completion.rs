//! `h8lctl completion SHELL`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Ctl;
use crate::cli::Cli;
use crate::errors::{CtlError, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

pub(crate) fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "h8lctl", &mut script);
    ctl.terminal().out(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
