//! `h8lctl context use NAME`

use crate::Ctl;
use crate::context::Contexts;
use crate::errors::{CtlError, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stored context
    pub name: String,
}

pub(crate) fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let path = ctl.places.store()?.to_owned();
    let mut contexts = Contexts::read(&path)?;
    contexts.named(&args.name)?;
    contexts.current = Some(args.name.clone());
    contexts.write(&path)?;
    ctl.terminal()
        .out(&format!("current context is {}\n", args.name))?;
    Ok(Exit::Done)
}
