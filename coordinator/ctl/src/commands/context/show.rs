//! `h8lctl context show [NAME]`

use crate::Ctl;
use crate::context::{ContextView, Contexts};
use crate::errors::{CtlError, Exit};
use crate::output::{self, Text, instant, joined, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A stored context; the one that would be used otherwise
    pub name: Option<String>,
}

pub(crate) fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut view = match &args.name {
        Some(name) => Contexts::read(ctl.places.store()?)?.named(name)?.view()?,
        None => ctl.places.choose()?.view()?,
    };
    view.current = match &args.name {
        None => true,
        Some(_) => ctl.places.choose().is_ok_and(|c| c.name == view.name),
    };
    let format = ctl.format;
    output::one(ctl.terminal(), format, &view, &view.name, |_| page(&view))?;
    Ok(Exit::Done)
}

fn page(v: &ContextView) -> String {
    let mut text = Text::new();
    text.heading(&format!("Context {}", v.name));
    text.field("fleet", v.fleet.as_str());
    text.field("operator", or_dash(v.operator.as_ref()));
    text.field("role", or_dash(v.role.as_ref()));
    text.field("coordinators", joined(&v.addresses));
    text.field("expires", instant(v.expires_at));
    text.field("current", if v.current { "yes" } else { "no" });
    text.finish()
}
