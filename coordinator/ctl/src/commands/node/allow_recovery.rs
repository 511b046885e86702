//! `h8lctl node allow-recovery NAME --for TIME`

use std::time::Duration;

use h8lio_model::node::NodeView;
use h8lio_proto::convert::{read_timestamp, timestamp};
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::ChangeArgs;
use crate::errors::{CtlError, Exit};
use crate::output::{duration, instant};
use crate::parse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    pub node: String,
    /// For how long from now, by the coordinator's clock
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse::duration)]
    pub span: Duration,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let preview = |n: &NodeView| Ok(preview(n, args.span));
    let agreed = outcome::agree(ctl, &args.node, &args.change, outcome::yes, preview).await?;
    let node = agreed.node();
    let Agreed {
        mut api, change, ..
    } = agreed;
    // By the coordinator's clock, not by this computer's.
    let request = api.request(v1::GetStatusRequest {});
    let status = api.fleet.get_status(request).await?.into_inner();
    let until = read_timestamp("as_of", status.as_of)?
        .checked_add(args.span)
        .map_err(|_| CtlError::Usage("--for is too long".to_owned()))?;
    let request = api.request(v1::AllowRecoveryRequest {
        node,
        until: Some(timestamp(until)),
        change: Some(change),
    });
    let answer = api.nodes.allow_recovery(request).await?.into_inner();
    let done = format!("may re-attest until {}", instant(until));
    outcome::print(ctl, None, answer.node, &done)
}

fn preview(node: &NodeView, span: Duration) -> String {
    format!(
        "node {} ({})\n  let it re-attest with its old key for {}, however long its certificate is expired\n",
        node.name,
        node.id,
        duration(span)
    )
}
