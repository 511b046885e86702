//! `h8lctl version`

use serde::Serialize;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output;

#[derive(Debug, clap::Args)]
pub struct Args {}

/// The JSON of `version`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    pub client: &'static str,
    pub protocol: &'static str,
}

/// What this program is.
pub const VERSION: VersionView = VersionView {
    client: env!("CARGO_PKG_VERSION"),
    protocol: "h8lio.v1",
};

pub(crate) fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let format = ctl.format;
    output::one(ctl.terminal(), format, &VERSION, VERSION.client, |_| {
        format!("h8lctl {}, protocol {}\n", VERSION.client, VERSION.protocol)
    })?;
    Ok(Exit::Done)
}
