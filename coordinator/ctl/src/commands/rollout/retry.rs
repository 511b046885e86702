//! `h8lctl rollout retry NAME --node N`

use h8lio_model::ids::RolloutName;
use h8lio_proto::v1;

use super::find;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CallError, CtlError, Exit};
use crate::output;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the rollout
    pub name: RolloutName,
    /// Name or id of the node that failed
    #[arg(long, value_name = "NODE")]
    pub node: String,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let view = find::rollout(&mut api, &args.name).await?;
    let tries = find::node(&view, &args.node).map_or(0, |n| n.tries);
    let preview = format!(
        "node {} in rollout {}\n  it has been tried {}; let it have a new attempt when its turn \
         comes again\n",
        args.node,
        args.name,
        output::count(tries as usize, "time"),
    );
    let preview = output::lines(&preview);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::RetryNodeRequest {
        rollout: args.name.to_string(),
        node: args.node.clone(),
        change: Some(change),
    });
    let done = api.rollouts.retry_node(request).await;
    done.map_err(|status| CallError::about(&status, "node", &args.node, find::NODES))?;
    let after = find::rollout(&mut api, &args.name).await?;
    let format = ctl.format;
    let name = args.name.as_str();
    output::one(ctl.terminal(), format, &after, name, |_| {
        format!("node {} in rollout {name} may try once more\n", args.node)
    })?;
    Ok(Exit::Done)
}
