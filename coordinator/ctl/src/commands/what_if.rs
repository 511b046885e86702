//! `h8lctl what-if --nodes A,B`

use h8lio_model::rollout::view::ObjectionView;
use h8lio_proto::v1;

use crate::Ctl;
use crate::errors::{CallError, CtlError, Exit};
use crate::output::{self, Format};
use crate::report::explain;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids of the nodes that would go down together, on top of those that are down
    #[arg(long, value_name = "NODE,…", value_delimiter = ',', required = true)]
    pub nodes: Vec<String>,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let request = api.request(v1::WhatIfRequest {
        nodes: args.nodes.clone(),
    });
    let answer = api.rollouts.what_if(request).await;
    let answer = answer.map_err(|status| refused(&status, &args.nodes))?;
    let answer = answer.into_inner();
    let objections = answer
        .objections
        .iter()
        .map(|bytes| serde_json::from_slice(bytes))
        .collect::<Result<Vec<ObjectionView>, _>>()
        .map_err(CtlError::answer)?;
    let format = ctl.format;
    match format {
        Format::Json | Format::Yaml => output::value(ctl.terminal(), format, &objections)?,
        Format::Name => ctl.terminal().out(&explain::names(&objections))?,
        Format::Table | Format::Wide => {
            let page = explain::objections(&args.nodes, &objections);
            ctl.terminal().out(&page)?;
        }
    }
    Ok(match objections.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// The coordinator names the first node that it does not know.
fn refused(status: &tonic::Status, nodes: &[String]) -> CallError {
    let unknown = |node: &&String| status.message().starts_with(&format!("node {node} "));
    match nodes.iter().find(unknown) {
        Some(node) => CallError::about(status, "node", node, "h8lctl node list"),
        None => CallError::from(status),
    }
}
