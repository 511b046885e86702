//! `h8lctl explain node|rollout NAME`

use clap::Subcommand;
use h8lio_model::rollout::view::ExplanationView;
use h8lio_proto::v1;
use h8lio_proto::v1::explain_request::About;

use crate::Ctl;
use crate::errors::{CallError, CtlError, Exit};
use crate::output::{self, instant};
use crate::report::explain;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What holds a node in the rollouts that it takes part in
    Node {
        /// Name or id
        node: String,
    },
    /// What holds a rollout and each of its nodes
    Rollout {
        /// Name of the rollout
        name: String,
    },
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, command: Command) -> Result<Exit, CtlError> {
    let (what, name, list) = match &command {
        Command::Node { node } => ("node", node.clone(), "h8lctl node list"),
        Command::Rollout { name } => ("rollout", name.clone(), "h8lctl rollout list"),
    };
    let about = match command {
        Command::Node { node } => About::Node(node),
        Command::Rollout { name } => About::Rollout(name),
    };
    let mut api = ctl.connect().await?;
    let request = api.request(v1::ExplainRequest { about: Some(about) });
    let answer = api.rollouts.explain(request).await;
    let answer = answer.map_err(|status| CallError::about(&status, what, &name, list))?;
    let told: ExplanationView =
        serde_json::from_slice(&answer.into_inner().explanation).map_err(CtlError::answer)?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &told, &name, |_| {
        explain::page(&told)
    })?;
    if !format.is_data() {
        let note = format!("as of {}\n", instant(told.as_of));
        ctl.terminal().err(&note)?;
    }
    Ok(Exit::Done)
}
