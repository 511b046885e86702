//! `h8lctl node show NAME`

use super::find;
use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, instant};
use crate::report::show;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    pub node: String,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let (detail, as_of) = find::node(&mut api, &args.node).await?;
    let format = ctl.format;
    let name = detail.node.name.as_str();
    output::one(ctl.terminal(), format, &detail, name, |wide| {
        show::page(&detail, as_of, wide)
    })?;
    if !format.is_data() {
        ctl.terminal().err(&format!("as of {}\n", instant(as_of)))?;
    }
    Ok(Exit::Done)
}
