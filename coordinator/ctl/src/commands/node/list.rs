//! `h8lctl node list`

use std::collections::BTreeMap;

use h8lio_model::lifecycle::Admission;
use h8lio_model::node::NodeView;
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use jiff::Timestamp;

use crate::Ctl;
use crate::connect::Api;
use crate::errors::{CtlError, Exit};
use crate::follow::POLL;
use crate::output::{self, Format};
use crate::parse;
use crate::report::nodes;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only nodes with all these labels; also role, region, datacenter, zone, rack
    #[arg(short = 'l', long, value_name = "KEY=VALUE,…", value_parser = parse::selector)]
    pub selector: Option<BTreeMap<String, String>>,
    /// Also those that were decommissioned
    #[arg(short, long)]
    pub all: bool,
    /// Stay, look every 2 s and print again when something changed; ctrl-c ends it
    #[arg(short, long)]
    pub watch: bool,
}

/// Which nodes are wanted.
struct Wanted {
    selector: BTreeMap<String, String>,
    /// Also decommissioned ones.
    all: bool,
}

/// A list and when it was true.
struct Nodes {
    nodes: Vec<NodeView>,
    /// How many decommissioned ones were left out.
    hidden: usize,
    as_of: Timestamp,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: Args) -> Result<Exit, CtlError> {
    let wanted = Wanted {
        selector: args.selector.unwrap_or_default(),
        all: args.all,
    };
    let mut api = ctl.connect().await?;
    let first = fetch(&mut api, &wanted).await?;
    if args.watch {
        watch(ctl, api, first, &wanted).await
    } else {
        print(ctl, &first)?;
        Ok(Exit::Done)
    }
}

async fn fetch(api: &mut Api, wanted: &Wanted) -> Result<Nodes, CtlError> {
    let request = api.request(v1::ListNodesRequest {
        selector: wanted.selector.clone(),
    });
    let answer = api.nodes.list_nodes(request).await?.into_inner();
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let nodes = answer.nodes.into_iter().map(NodeView::try_from);
    let mut nodes: Vec<NodeView> = nodes.collect::<Result<_, _>>()?;
    let found = nodes.len();
    nodes.retain(|n| wanted.all || n.admission != Admission::Decommissioned);
    Ok(Nodes {
        hidden: found - nodes.len(),
        nodes,
        as_of,
    })
}

fn print(ctl: &mut Ctl<'_>, list: &Nodes) -> Result<(), CtlError> {
    let format = ctl.format;
    output::list(
        ctl.terminal(),
        format,
        &list.nodes,
        list.as_of,
        |wide| nodes::table(&list.nodes, list.as_of, wide),
        |n| n.name.to_string(),
    )?;
    if list.hidden > 0 && !format.is_data() {
        let note = format!("{} decommissioned not shown (--all)\n", list.hidden);
        ctl.terminal().err(&note)?;
    }
    Ok(())
}

/// Each look has the deadline of a call; one that fails is said once, and the next look connects
/// anew, so that the watch outlives a restart of the coordinator.
async fn watch(
    ctl: &mut Ctl<'_>,
    api: Api,
    first: Nodes,
    wanted: &Wanted,
) -> Result<Exit, CtlError> {
    let interrupt = ctl.world.interrupt.clone();
    let mut api = Some(api);
    let mut shown = first;
    redraw(ctl, &shown)?;
    let mut failing = false;
    while interrupt.or(tokio::time::sleep(POLL)).await.is_some() {
        let Some(look) = interrupt.or(look(ctl, api.take(), wanted)).await else {
            break;
        };
        match look {
            Ok((connected, list)) => {
                if failing || nodes::differ(&shown.nodes, &list.nodes) {
                    redraw(ctl, &list)?;
                    shown = list;
                }
                failing = false;
                api = Some(connected);
            }
            Err(e) if e.passes() => {
                if !failing {
                    let line = output::clean(&e.line());
                    ctl.terminal().err(&format!("{line}; still trying\n"))?;
                }
                failing = true;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(Exit::Done)
}

async fn look(ctl: &Ctl<'_>, api: Option<Api>, wanted: &Wanted) -> Result<(Api, Nodes), CtlError> {
    let mut api = match api {
        Some(api) => api,
        None => ctl.connect().await?,
    };
    let list = fetch(&mut api, wanted).await?;
    Ok((api, list))
}

fn redraw(ctl: &mut Ctl<'_>, list: &Nodes) -> Result<(), CtlError> {
    if ctl.terminal().is_screen() && matches!(ctl.format, Format::Table | Format::Wide) {
        // Home, and clear from there to the end of the screen.
        ctl.terminal().out("\u{1b}[H\u{1b}[2J")?;
    }
    if ctl.format == Format::Json {
        let line = serde_json::to_string(&list.nodes).map_err(CtlError::answer)?;
        ctl.terminal().out(&format!("{line}\n"))?;
        return Ok(());
    }
    if ctl.format == Format::Yaml {
        ctl.terminal().out("---\n")?;
    }
    print(ctl, list)
}
