//! `h8lctl audit verify`

use h8lio_model::audit::AuditHead;
use h8lio_proto::v1;
use serde::Serialize;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, Text};
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
    let format = ctl.format;
    let name = verified.head.seq.to_string();
    output::one(ctl.terminal(), format, &verified, &name, |_| {
        page(&verified)
    })?;
    Ok(if verified.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn page(v: &Verified) -> String {
    let mut text = Text::new();
    let verdict = if v.faults.is_empty() {
        "the audit log is whole"
    } else {
        "the audit log is NOT whole"
    };
    text.heading(verdict);
    text.field("entries", v.entries.to_string());
    text.field("head", format!("{}:{}", v.head.seq, v.head.hash));
    text.field("compared with", format!("{} agents' memory", v.witnesses));
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
