//! `h8lctl man --out DIR`

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::Ctl;
use crate::cli::Cli;
use crate::errors::{CtlError, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for the pages; made when it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

pub(crate) fn run(_: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let failed = |e| CtlError::local(format!("write man pages to {}", args.out.display()), e);
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(failed)?;
    Ok(Exit::Done)
}
