//! `h8lctl token create`

use std::time::Duration;

use h8lio_model::ids::{NodeName, TokenId};
use h8lio_model::role::Role;
use h8lio_model::token::{Expectation, Token};
use h8lio_model::topology::Topology;
use h8lio_proto::{convert, v1};
use jiff::Timestamp;
use serde::Serialize;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CtlError, Exit};
use crate::output::{self, Format, count, duration, instant, joined, or_dash};
use crate::parse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long it can be used: 1m to 30d
    #[arg(long, value_name = "TIME", default_value = "1h",
          value_parser = parse::duration_within("1m", "30d"))]
    pub ttl: Duration,
    /// How many servers may use it: 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub uses: u32,
    /// What the server is for: cloud, storage or both
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Where it stands: region/datacenter/zone/rack[/slot]
    #[arg(long, value_name = "PLACE")]
    pub topology: Option<Topology>,
    /// Name for the node; its hostname otherwise
    #[arg(long, value_name = "NAME")]
    pub name: Option<NodeName>,
    /// Expected DMI serial number; a server that matches is let in without a person
    #[arg(long, value_name = "SERIAL", help_heading = "Expectation")]
    pub serial: Option<String>,
    /// Expected MAC address of one of its interfaces
    #[arg(long, value_name = "MAC", help_heading = "Expectation")]
    pub mac: Option<String>,
    /// Expected hostname
    #[arg(long, value_name = "NAME", help_heading = "Expectation")]
    pub hostname: Option<String>,
    /// Let in whoever has the token, although nothing is expected of it
    #[arg(long, help_heading = "Expectation")]
    pub auto_approve: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// The JSON of `token create`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// The whole token, as `h8lio-agent enroll` takes it.
    pub token: String,
    pub id: TokenId,
    pub expires_at: Timestamp,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    if args.name.is_some() && args.uses != 1 {
        let text = "--name is for one server: leave it out, or --uses";
        return Err(CtlError::Usage(text.to_owned()));
    }
    let mut api = ctl.connect().await?;
    let change = args
        .change
        .confirm(ctl.terminal(), &preview(args), Consent::Yes)?;
    let request = api.request(message(args, change));
    let answer = api.fleet.create_token(request).await?.into_inner();
    let token = answer
        .token
        .ok_or_else(|| CtlError::answer("field token: is missing"))?;
    let token = Token::try_from(token)?;
    let created = Created {
        token: answer.text,
        id: token.id,
        expires_at: token.expires_at,
    };
    print(ctl, &created)?;
    Ok(Exit::Done)
}

fn message(args: &Args, change: v1::Change) -> v1::CreateTokenRequest {
    let expect = Expectation {
        serial: args.serial.clone(),
        mac: args.mac.clone(),
        hostname: args.hostname.clone(),
    };
    v1::CreateTokenRequest {
        ttl: Some(convert::duration(args.ttl)),
        max_uses: args.uses,
        roles: convert::roles(&args.roles),
        topology: args.topology.clone().map(Into::into),
        node_name: args
            .name
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        expect: Some(expect.into()),
        auto_approve: args.auto_approve,
        change: Some(change),
    }
}

fn preview(args: &Args) -> String {
    let expected: Vec<String> = [
        ("serial", &args.serial),
        ("MAC", &args.mac),
        ("hostname", &args.hostname),
    ]
    .into_iter()
    .filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)))
    .collect();
    let admission = match (expected.is_empty(), args.auto_approve) {
        (false, false) => format!("let in when it matches {}", joined(&expected)),
        (false, true) => format!("let in by itself; expects {}", joined(&expected)),
        (true, false) => "waits until somebody approves it (h8lctl node approve)".to_owned(),
        (true, true) => "let in by itself, whoever has the token".to_owned(),
    };
    format!(
        "join token for {}, valid for {}\n  roles: {}\n  topology: {}\n  admission: {admission}\n",
        count(args.uses as usize, "server"),
        duration(args.ttl),
        joined(&args.roles),
        or_dash(args.topology.as_ref()),
    )
}

/// The token alone goes to standard output, so that a script can catch it.
fn print(ctl: &mut Ctl<'_>, created: &Created) -> Result<(), CtlError> {
    let format = ctl.format;
    match format {
        Format::Json | Format::Yaml => output::value(ctl.terminal(), format, created),
        Format::Name => Ok(ctl.terminal().out(&format!("{}\n", created.id))?),
        Format::Table | Format::Wide => {
            ctl.terminal().out(&format!("{}\n", created.token))?;
            let note = format!(
                "token {} expires at {}; it is not shown again. On the server: h8lio-agent enroll\n",
                created.id,
                instant(created.expires_at)
            );
            Ok(ctl.terminal().err(&note)?)
        }
    }
}
