//! `h8lctl rollout list`

use h8lio_model::rollout::view::RolloutView;
use h8lio_proto::v1;

use super::find;
use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output;
use crate::report::rollouts;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ListRolloutsRequest {});
    let answer = api.rollouts.list_rollouts(request).await?.into_inner();
    let all = answer.rollouts.iter().map(|bytes| find::read(bytes));
    let all: Vec<RolloutView> = all.collect::<Result<_, _>>()?;
    let (format, here) = (ctl.format, (ctl.world.now)());
    let as_of = all.first().map_or(here, |view| view.as_of);
    if let Some(frozen) = all.first().and_then(|view| view.frozen.as_ref())
        && !format.is_data()
    {
        let line = output::clean(&rollouts::frozen(frozen));
        ctl.terminal().err(&format!("{line}\n"))?;
    }
    output::list(
        ctl.terminal(),
        format,
        &all,
        as_of,
        |wide| rollouts::table(&all, wide),
        |view| view.spec.name.to_string(),
    )?;
    Ok(Exit::Done)
}
