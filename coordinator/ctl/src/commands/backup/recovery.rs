//! `h8lctl backup recovery`

use h8lio_proto::v1;
use serde::Serialize;

use crate::Ctl;
use crate::connect::Api;
use crate::errors::{CtlError, Exit};
use crate::output;

#[derive(Debug, clap::Args)]
pub struct Args {}

/// The JSON of `backup recovery`. Nodes are named.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// Why nothing is decided until the loss is accepted; empty: nothing was lost.
    pub frozen: String,
    /// They have accepted orders that the coordinator does not know.
    pub ahead: Vec<String>,
    /// Enrolled, and not heard since the coordinator started.
    pub unheard: Vec<String>,
    /// In the middle of something that the coordinator may not know of.
    pub busy: Vec<String>,
    /// In which a node was ordered something.
    pub highest_epoch: u64,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let recovery = ask(&mut api).await?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &recovery, "coordinator", |_| {
        tell(&recovery)
    })?;
    Ok(match recovery.frozen.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

pub(super) async fn ask(api: &mut Api) -> Result<Recovery, CtlError> {
    let request = api.request(v1::GetRecoveryRequest {});
    let answer = api.backups.get_recovery(request).await?.into_inner();
    Ok(Recovery {
        frozen: answer.frozen,
        ahead: answer.ahead,
        unheard: answer.unheard,
        busy: answer.busy,
        highest_epoch: answer.highest_epoch,
    })
}

pub(super) fn tell(recovery: &Recovery) -> String {
    if recovery.frozen.is_empty() {
        return "nothing was lost, and nothing waits to be accepted\n".to_owned();
    }
    let mut text = format!("the coordinator decides nothing: {}\n", recovery.frozen);
    for (what, nodes) in [
        ("know more than it", &recovery.ahead),
        ("in the middle of something", &recovery.busy),
        ("not heard yet", &recovery.unheard),
    ] {
        if !nodes.is_empty() {
            text += &format!("  {what:<27} {}\n", nodes.join(", "));
        }
    }
    text + &format!("  highest epoch heard         {}\n", recovery.highest_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_who_knows_more_and_who_was_not_heard() {
        let recovery = Recovery {
            frozen: "its store was put back".to_owned(),
            ahead: vec!["s1".to_owned(), "s2".to_owned()],
            unheard: vec!["s3".to_owned()],
            busy: Vec::new(),
            highest_epoch: 7,
        };
        assert_eq!(
            tell(&recovery),
            "the coordinator decides nothing: its store was put back\n\
             \x20 know more than it           s1, s2\n\
             \x20 not heard yet               s3\n\
             \x20 highest epoch heard         7\n"
        );
    }
}
