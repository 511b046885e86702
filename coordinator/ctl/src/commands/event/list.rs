//! `h8lctl event list`

use clap::ValueEnum;
use h8lio_model::event::{Event, Severity};
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use tokio_stream::StreamExt as _;

use crate::Ctl;
use crate::connect::Api;
use crate::errors::{CLOSED, CallError, CtlError, Exit};
use crate::follow::POLL;
use crate::output::{self, Cell, Format, Table, Tone, instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only events of this node (name or id)
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Only this severity and above: info, warning or alert
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        hide_possible_values = true
    )]
    pub severity: Level,
    /// Only events behind this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// At most this many, the newest: 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// Stay and print events as they happen; ctrl-c ends it
    #[arg(short, long)]
    pub follow: bool,
}

/// The model's severity as an option's value.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Level {
    Info,
    Warning,
    Alert,
}

impl Level {
    const fn wire(self) -> i32 {
        (match self {
            Self::Info => v1::event::Severity::Info,
            Self::Warning => v1::event::Severity::Warning,
            Self::Alert => v1::event::Severity::Alert,
        }) as i32
    }
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ListEventsRequest {
        after_seq: args.after,
        limit: args.limit,
        node: args.node.clone().unwrap_or_default(),
        min_severity: args.severity.wire(),
    });
    let answer = api
        .fleet
        .list_events(request)
        .await
        .map_err(|status| about(&status, &args))?
        .into_inner();
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let events: Vec<Event> = answer
        .events
        .into_iter()
        .map(Event::try_from)
        .collect::<Result<_, _>>()?;
    if args.follow {
        return follow(ctl, api, &args, &events).await;
    }
    let format = ctl.format;
    output::list(
        ctl.terminal(),
        format,
        &events,
        as_of,
        |_| table(&events),
        |e| e.seq.to_string(),
    )?;
    Ok(Exit::Done)
}

fn about(status: &tonic::Status, args: &Args) -> CallError {
    let node = args.node.as_deref().unwrap_or_default();
    CallError::about(status, "node", node, "h8lctl node list")
}

/// Prints what is there, then what comes. After a lost connection it goes on behind the last
/// event that was printed, so that none is missed and none is shown twice.
async fn follow(
    ctl: &mut Ctl<'_>,
    api: Api,
    args: &Args,
    before: &[Event],
) -> Result<Exit, CtlError> {
    let interrupt = ctl.world.interrupt.clone();
    let mut last = args.after;
    for e in before {
        print(ctl, e)?;
        last = last.max(e.seq);
    }
    let mut api = Some(api);
    let mut told = false;
    loop {
        let streamed = stream(ctl, api.take(), args, &mut last, &mut told);
        let Some(ended) = interrupt.or(streamed).await else {
            return Ok(Exit::Done);
        };
        match ended {
            Err(e) if !e.passes() => return Err(e),
            // Said once, however many attempts it takes.
            Err(_) if !told => {
                ctl.terminal().err(&format!("{CLOSED}\n"))?;
                told = true;
            }
            // Coordinators end streams now and then (connection age): go on silently.
            Err(_) | Ok(()) => {}
        }
        if interrupt.or(tokio::time::sleep(POLL)).await.is_none() {
            return Ok(Exit::Done);
        }
    }
}

/// One stream to its end. `told` is whether the operator waits for the word that it is back.
async fn stream(
    ctl: &mut Ctl<'_>,
    api: Option<Api>,
    args: &Args,
    last: &mut u64,
    told: &mut bool,
) -> Result<(), CtlError> {
    let mut api = match api {
        Some(api) => api,
        None => ctl.connect().await?,
    };
    let message = v1::FollowEventsRequest {
        after_seq: *last,
        node: args.node.clone().unwrap_or_default(),
        min_severity: args.severity.wire(),
    };
    let mut events = api
        .fleet
        .follow_events(message)
        .await
        .map_err(|status| about(&status, args))?
        .into_inner();
    if std::mem::take(told) {
        ctl.terminal().err("connected again\n")?;
    }
    while let Some(answer) = events.next().await {
        if let Some(event) = answer?.event {
            let event = Event::try_from(event)?;
            print(ctl, &event)?;
            *last = event.seq;
        }
    }
    Ok(())
}

/// One event on one line, or as one YAML document.
fn print(ctl: &mut Ctl<'_>, event: &Event) -> Result<(), CtlError> {
    match ctl.format {
        Format::Table | Format::Wide => {
            let node = event.node_name.as_deref().unwrap_or("-");
            let line = format!(
                "{}  {:<7}  {node:<16}  {:<20}  {}",
                instant(event.at),
                word(event.severity),
                event.reason,
                event.message
            );
            ctl.terminal().out(&(output::clean(&line) + "\n"))?;
        }
        Format::Json => {
            let line = serde_json::to_string(event).map_err(CtlError::answer)?;
            ctl.terminal().out(&(line + "\n"))?;
        }
        Format::Yaml => {
            ctl.terminal().out("---\n")?;
            output::value(ctl.terminal(), Format::Yaml, event)?;
        }
        Format::Name => ctl.terminal().out(&format!("{}\n", event.seq))?,
    }
    Ok(())
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Alert => "alert",
    }
}

fn table(events: &[Event]) -> Table {
    let mut table = Table::new(&["SEQ", "AT", "SEVERITY", "NODE", "REASON", "MESSAGE"]);
    for e in events {
        let tone = match e.severity {
            Severity::Info => Tone::Plain,
            Severity::Warning => Tone::Warn,
            Severity::Alert => Tone::Bad,
        };
        table.row(vec![
            e.seq.to_string().into(),
            instant(e.at).into(),
            Cell::toned(word(e.severity), tone),
            e.node_name.as_deref().unwrap_or("-").into(),
            e.reason.as_str().into(),
            e.message.as_str().into(),
        ]);
    }
    table
}
