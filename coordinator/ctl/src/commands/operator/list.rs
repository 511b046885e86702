//! `h8lctl operator list`

use h8lio_model::operator::Operator;
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use jiff::Timestamp;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, Cell, Table, Tone, age, duration, instant};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ListOperatorsRequest {});
    let answer = api.fleet.list_operators(request).await?.into_inner();
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let operators: Vec<Operator> = answer
        .operators
        .into_iter()
        .map(Operator::try_from)
        .collect::<Result<_, _>>()?;
    let format = ctl.format;
    output::list(
        ctl.terminal(),
        format,
        &operators,
        as_of,
        |wide| table(&operators, as_of, wide),
        |o| o.name.to_string(),
    )?;
    Ok(Exit::Done)
}

fn table(operators: &[Operator], as_of: Timestamp, wide: bool) -> Table {
    let mut header = vec!["NAME", "ROLE", "ACCESS", "CREATED"];
    if wide {
        header.extend(["EXPIRES", "CERTIFICATE"]);
    }
    let mut table = Table::new(&header);
    for o in operators {
        let access = if let Some(at) = o.revoked_at {
            Cell::toned(format!("revoked at {}", instant(at)), Tone::Faint)
        } else if o.expires_at <= as_of {
            Cell::toned("expired", Tone::Warn)
        } else {
            let left = duration(age(as_of, o.expires_at));
            Cell::toned(format!("valid for {left}"), Tone::Good)
        };
        let mut row = vec![
            o.name.as_str().into(),
            o.role.as_str().into(),
            access,
            instant(o.created_at).into(),
        ];
        if wide {
            row.extend([
                instant(o.expires_at).into(),
                o.certificate_serial.as_str().into(),
            ]);
        }
        table.row(row);
    }
    table
}
