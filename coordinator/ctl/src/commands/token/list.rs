//! `h8lctl token list`

use h8lio_model::token::{Expectation, Token};
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use jiff::Timestamp;

use crate::Ctl;
use crate::errors::{CtlError, Exit};
use crate::output::{self, Cell, Table, Tone, age, duration, instant, joined, or_dash};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) async fn run(ctl: &mut Ctl<'_>, _: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ListTokensRequest {});
    let answer = api.fleet.list_tokens(request).await?.into_inner();
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let tokens: Vec<Token> = answer
        .tokens
        .into_iter()
        .map(Token::try_from)
        .collect::<Result<_, _>>()?;
    let format = ctl.format;
    output::list(
        ctl.terminal(),
        format,
        &tokens,
        as_of,
        |wide| table(&tokens, as_of, wide),
        |t| t.id.to_string(),
    )?;
    Ok(Exit::Done)
}

fn table(tokens: &[Token], as_of: Timestamp, wide: bool) -> Table {
    let mut header = vec!["ID", "STATE", "USES", "ROLES", "TOPOLOGY", "EXPECTS"];
    if wide {
        header.extend(["NODE NAME", "CREATED BY", "CREATED", "EXPIRES"]);
    }
    let mut table = Table::new(&header);
    for t in tokens {
        let mut row = vec![
            t.id.as_str().into(),
            state(t, as_of),
            format!("{}/{}", t.used_by.len(), t.max_uses).into(),
            joined(&t.roles).into(),
            or_dash(t.topology.as_ref()).into(),
            expects(&t.expect, t.auto_approve).into(),
        ];
        if wide {
            row.extend([
                or_dash(t.node_name.as_ref()).into(),
                t.created_by.as_str().into(),
                instant(t.created_at).into(),
                instant(t.expires_at).into(),
            ]);
        }
        table.row(row);
    }
    table
}

fn state(t: &Token, as_of: Timestamp) -> Cell {
    use h8lio_model::token::TokenRefusal as R;
    let uses = u32::try_from(t.used_by.len()).unwrap_or(u32::MAX);
    match t.check(uses, as_of) {
        Ok(()) => {
            let left = duration(age(as_of, t.expires_at));
            Cell::toned(format!("valid for {left}"), Tone::Good)
        }
        Err(R::Revoked(_)) => Cell::toned("revoked", Tone::Faint),
        Err(R::Expired(..)) => Cell::toned("expired", Tone::Faint),
        Err(R::UsedUp { .. }) => Cell::toned("used up", Tone::Faint),
    }
}

fn expects(e: &Expectation, auto_approve: bool) -> String {
    let mut out: Vec<String> = [
        ("serial", &e.serial),
        ("mac", &e.mac),
        ("hostname", &e.hostname),
    ]
    .into_iter()
    .filter_map(|(what, v)| Some(format!("{what}={}", v.as_ref()?)))
    .collect();
    if auto_approve {
        out.push("nothing (auto-approve)".to_owned());
    }
    joined(&out)
}
