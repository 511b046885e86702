//! `h8lctl backup accept`

use h8lio_proto::v1;
use serde::Serialize;

use super::recovery;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CtlError, Exit};
use crate::output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on although enrolled servers were not heard since the coordinator started
    #[arg(long)]
    pub without_unheard: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// The JSON of `backup accept`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// In which the coordinator starts again.
    pub epoch: u64,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let lost = recovery::ask(&mut api).await?;
    let preview = format!(
        "{}what it has lost stays lost: rollouts and orders given since are not known to it\n",
        recovery::tell(&lost)
    );
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::AcceptRecoveryRequest {
        without_unheard: args.without_unheard,
        change: Some(change),
    });
    let answer = api.backups.accept_recovery(request).await?.into_inner();
    let accepted = Accepted {
        epoch: answer.epoch,
    };
    let format = ctl.format;
    output::one(ctl.terminal(), format, &accepted, "coordinator", |_| {
        format!(
            "accepted; the coordinator starts again in epoch {}, under a new incarnation\n",
            accepted.epoch
        )
    })?;
    Ok(Exit::Done)
}
