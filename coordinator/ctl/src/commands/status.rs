//! `h8lctl status`

use h8lio_proto::v1;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output;
use crate::report::status::{StatusView, page};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::GetStatusRequest {});
    let answer = api.fleet.get_status(request).await?.into_inner();
    let view = StatusView::read(answer)?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &view, &view.fleet, |_| page(&view))?;
    Ok(Exit::Done)
}
