//! `h8lctl rollout acknowledge NAME --node N --outcome O`

use h8lio_model::ids::RolloutName;
use h8lio_model::order::Outcome;
use h8lio_model::rollout::view::{RolloutNodeView, RolloutView};
use h8lio_proto::v1;
use uuid::Uuid;

use super::find;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CallError, CtlError, Exit};
use crate::output;
use crate::parse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the rollout
    pub name: RolloutName,
    /// Name or id of the node that you have looked at
    #[arg(long, value_name = "NODE")]
    pub node: String,
    /// The end that you have looked at: failed, rolledBack, unknown or done
    #[arg(long, value_name = "OUTCOME", value_parser = parse::outcome)]
    pub outcome: Outcome,
    /// The attempt that you have looked at; the one in the node's slot otherwise
    #[arg(long, value_name = "ID")]
    pub attempt: Option<Uuid>,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let view = find::rollout(&mut api, &args.name).await?;
    let node = find::node(&view, &args.node);
    let preview = output::lines(&preview(args, &view, node));
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    // What was shown is what is acknowledged, even if the slot has another attempt in between.
    let shown = node.and_then(|n| n.slot.as_ref()).map(|s| s.attempt.0);
    let attempt = args.attempt.or(shown);
    let request = api.request(v1::AcknowledgeAttemptRequest {
        rollout: args.name.to_string(),
        node: args.node.clone(),
        attempt: attempt.map(|id| id.to_string()).unwrap_or_default(),
        outcome: args.outcome.to_string(),
        change: Some(change),
    });
    let done = api.rollouts.acknowledge_attempt(request).await;
    done.map_err(|status| CallError::about(&status, "node", &args.node, find::NODES))?;
    let after = find::rollout(&mut api, &args.name).await?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &after, args.name.as_str(), |_| {
        format!(
            "the end of node {} in rollout {} is acknowledged as {}\n",
            args.node, args.name, args.outcome
        )
    })?;
    Ok(Exit::Done)
}

fn preview(args: &Args, view: &RolloutView, node: Option<&RolloutNodeView>) -> String {
    let mut text = format!("node {} in rollout {}\n", args.node, view.spec.name);
    if let Some(slot) = node.and_then(|n| n.slot.as_ref()) {
        let outcome = slot
            .outcome
            .map_or("has no reported end", |outcome| outcome.as_str());
        text += &format!("  attempt {}: {outcome}", slot.attempt);
        if let Some(message) = &slot.message {
            text += &format!(" ({message})");
        }
        text.push('\n');
    }
    let what = "let its slot end although the node is not known to be well; others of its failure \
                domain may go down then";
    text + &format!("  {what}\n")
}
