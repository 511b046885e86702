//! `h8lctl audit list`

use h8lio_model::audit::{AuditEntry, Outcome};
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, Cell, Table, Tone, instant, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only entries behind this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// At most this many, the newest: 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ListAuditRequest {
        after_seq: args.after,
        limit: args.limit,
    });
    let answer = api.fleet.list_audit(request).await?.into_inner();
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let entries: Vec<AuditEntry> = answer
        .entries
        .into_iter()
        .map(AuditEntry::try_from)
        .collect::<Result<_, _>>()?;
    let format = ctl.format;
    output::list(
        ctl.terminal(),
        format,
        &entries,
        as_of,
        |wide| table(&entries, wide),
        |e| e.seq.to_string(),
    )?;
    Ok(Exit::Done)
}

fn table(entries: &[AuditEntry], wide: bool) -> Table {
    let mut header = vec![
        "SEQ", "AT", "ACTOR", "ACTION", "TARGET", "OUTCOME", "REASON",
    ];
    if wide {
        header.extend(["TICKET", "REQUEST ID", "HASH"]);
    }
    let mut table = Table::new(&header);
    for e in entries {
        let outcome = match &e.outcome {
            Outcome::Accepted => Cell::from("accepted"),
            Outcome::Refused { why } => Cell::toned(format!("refused: {why}"), Tone::Warn),
        };
        let mut row = vec![
            e.seq.to_string().into(),
            instant(e.at).into(),
            e.actor.as_str().into(),
            e.action.as_str().into(),
            e.target.as_str().into(),
            outcome,
            e.reason.as_str().into(),
        ];
        if wide {
            row.extend([
                or_dash(e.ticket.as_ref()).into(),
                e.request_id.as_str().into(),
                e.hash.to_string().into(),
            ]);
        }
        table.row(row);
    }
    table
}
