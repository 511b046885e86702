//! `h8lctl context list`

use crate::Ctl;
use crate::context::{ContextView, Contexts};
use crate::errors::{CtlError, Exit};
use crate::output::{self, Format, Table, instant, joined, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let contexts = Contexts::read(ctl.places.store()?)?;
    let current = contexts.current().ok().map(|c| c.name.clone());
    let mut views: Vec<ContextView> = Vec::new();
    for context in &contexts.list {
        let mut view = context.view()?;
        view.current = current.as_ref() == Some(&view.name);
        views.push(view);
    }
    let format = ctl.format;
    match format {
        Format::Table | Format::Wide => {
            let text = table(&views).render("");
            ctl.terminal().out(&text)?;
        }
        Format::Json | Format::Yaml => output::value(ctl.terminal(), format, &views)?,
        Format::Name => {
            let names: String = views.iter().map(|v| v.name.clone() + "\n").collect();
            ctl.terminal().out(&names)?;
        }
    }
    Ok(Exit::Done)
}

fn table(views: &[ContextView]) -> Table {
    let mut table = Table::new(&[
        "CURRENT",
        "NAME",
        "FLEET",
        "OPERATOR",
        "ROLE",
        "EXPIRES",
        "ADDRESSES",
    ]);
    for v in views {
        table.row(vec![
            (if v.current { "*" } else { "" }).into(),
            v.name.as_str().into(),
            v.fleet.as_str().into(),
            or_dash(v.operator.as_ref()).into(),
            or_dash(v.role.as_ref()).into(),
            instant(v.expires_at).into(),
            joined(&v.addresses).into(),
        ]);
    }
    table
}
