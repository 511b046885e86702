//! `h8lctl node doctor NAME`

use super::find;
use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, instant};
use crate::report::doctor;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    pub node: String,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let (detail, as_of) = find::node(&mut api, &args.node).await?;
    let diagnosis = doctor::diagnose(&detail, as_of);
    let format = ctl.format;
    let name = detail.node.name.as_str();
    output::one(ctl.terminal(), format, &diagnosis, name, |_| {
        doctor::page(&diagnosis)
    })?;
    if !format.is_data() {
        ctl.terminal().err(&format!("as of {}\n", instant(as_of)))?;
    }
    Ok(if diagnosis.healthy {
        Exit::Done
    } else {
        Exit::Failed
    })
}
