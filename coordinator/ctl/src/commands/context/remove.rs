//! `h8lctl context remove NAME`

use crate::Ctl;
use crate::change::{Consent, agree};
use crate::context::Contexts;
use crate::errors::{AskError, CtlError, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stored context
    pub name: String,
    /// Do not ask; for scripts
    #[arg(short, long)]
    pub yes: bool,
}

pub(crate) fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let path = ctl.places.store()?.to_owned();
    let mut contexts = Contexts::read(&path)?;
    contexts.named(&args.name)?;
    if !args.yes {
        if !ctl.terminal().is_interactive() {
            return Err(AskError::NotATerminal.into());
        }
        let text = format!(
            "context {}: its key is deleted from {}\n",
            args.name,
            path.display()
        );
        ctl.terminal().err(&text)?;
        if !agree(ctl.terminal(), Consent::Yes)? {
            return Err(AskError::Declined.into());
        }
    }
    contexts.list.retain(|c| c.name != args.name);
    if contexts.current.as_deref() == Some(args.name.as_str()) {
        contexts.current = None;
    }
    contexts.write(&path)?;
    ctl.terminal()
        .out(&format!("context {} removed\n", args.name))?;
    Ok(Exit::Done)
}
