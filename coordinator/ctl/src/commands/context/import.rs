//! `h8lctl context import FILE`

use std::path::PathBuf;

use crate::Ctl;
use crate::context::{Context, ContextError, Contexts};
use crate::errors::{CtlError, Exit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The context file
    pub file: PathBuf,
    /// Store it under another name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Replace a stored context of the same name
    #[arg(long)]
    pub replace: bool,
}

pub(crate) fn run(ctl: &mut Ctl<'_>, args: Args) -> Result<Exit, CtlError> {
    let mut context = Context::read(&args.file)?;
    if let Some(name) = args.name {
        context.name = name;
    }
    let view = context.view()?;
    let path = ctl.places.store()?.to_owned();
    let mut contexts = Contexts::read(&path)?;
    let name = context.name.clone();
    if contexts.list.iter().any(|c| c.name == name) {
        if !args.replace {
            return Err(ContextError::Exists { name }.into());
        }
        contexts.list.retain(|c| c.name != name);
    }
    contexts.list.push(context);
    contexts.current.get_or_insert_with(|| name.clone());
    contexts.write(&path)?;
    let who = view.operator.unwrap_or_else(|| "?".to_owned());
    let text = format!(
        "context {name}: fleet {}, operator {who}; current is {}\n",
        view.fleet,
        contexts.current.as_deref().unwrap_or("-")
    );
    ctl.terminal().out(&text)?;
    Ok(Exit::Done)
}
