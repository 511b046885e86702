//! `h8lctl audit verify`

use h8lio_model::audit::AuditHead;
use h8lio_proto::v1;
use serde::Serialize;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, Text, count};
use crate::parse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A head that you remember, for example from the journal: the log must contain it
    #[arg(long, value_name = "SEQ:HASH", value_parser = parse::audit_head)]
    pub remembered: Option<AuditHead>,
}

/// The JSON of `audit verify`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub entries: u64,
    pub head: AuditHead,
    /// How many agents' heads were compared.
    pub witnesses: u32,
    /// Empty: the log is whole.
    pub faults: Vec<String>,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::VerifyAuditRequest {
        remembered: args.remembered.map(Into::into),
    });
    let answer = api.fleet.verify_audit(request).await?.into_inner();
    let head = answer
        .head
        .ok_or_else(|| CtlError::answer("field head: is missing"))?;
    let verified = Verified {
        entries: answer.entries,
        head: head.try_into()?,
        witnesses: answer.witnesses,
        faults: answer.faults,
    };
    let request = api.request(v1::GetStatusRequest {});
    let status = api.fleet.get_status(request).await?.into_inner();
    let online = status.nodes.iter().filter(|(k, _)| k.ends_with("/Online"));
    let online = online.map(|(_, count)| count).sum();
    let format = ctl.format;
    let name = verified.head.seq.to_string();
    output::one(ctl.terminal(), format, &verified, &name, |_| {
        page(&verified, online)
    })?;
    Ok(if verified.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The page for people; `online` nodes could have told what they remember.
fn page(v: &Verified, online: u32) -> String {
    let mut text = Text::new();
    let verdict = if v.faults.is_empty() {
        "the audit log is whole"
    } else {
        "the audit log is NOT whole"
    };
    text.heading(verdict);
    text.field("entries", v.entries.to_string());
    text.field("head", format!("{}:{}", v.head.seq, v.head.hash));
    text.field("compared with", compared(v.witnesses, online));
    for fault in &v.faults {
        text.line(1, fault);
    }
    if !v.faults.is_empty() {
        text.line(
            1,
            "keep the database and the journal as they are, and find out who had access",
        );
    }
    text.finish()
}

fn compared(witnesses: u32, online: u32) -> String {
    let compared = format!("the memory of {}", count(witnesses as usize, "agent"));
    if witnesses == 0 || witnesses < online {
        let online = count(online as usize, "node");
        format!("{compared}, {online} online: agents tell theirs when they connect")
    } else {
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::compared;

    #[test]
    fn too_few_witnesses_are_explained() {
        assert_eq!(compared(1, 1), "the memory of 1 agent");
        assert_eq!(compared(3, 2), "the memory of 3 agents");
        let hint = "online: agents tell theirs when they connect";
        assert_eq!(
            compared(0, 0),
            format!("the memory of 0 agents, 0 nodes {hint}")
        );
        assert_eq!(
            compared(1, 12),
            format!("the memory of 1 agent, 12 nodes {hint}")
        );
    }
}
