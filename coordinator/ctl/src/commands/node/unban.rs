//! `h8lctl node unban NAME`

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::ChangeArgs;
use crate::errors::{CtlError, Exit};
use h8lio_model::lifecycle::Restriction;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    pub node: String,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let Agreed {
        mut api,
        node,
        change,
    } = outcome::agree(ctl, &args.node, &args.change, outcome::yes, preview).await?;
    let request = api.request(v1::UnbanNodeRequest {
        node,
        change: Some(change),
    });
    let answer = api.nodes.unban_node(request).await?.into_inner();
    outcome::print(ctl, answer.node, "no longer banned")
}

fn preview(node: &NodeView) -> String {
    let ban = match &node.restriction {
        Some(Restriction::Banned { reason, by, .. }) => format!("end the ban by {by} ({reason})"),
        _ => "nothing to end: it is not banned".to_owned(),
    };
    format!("node {} ({})\n  {ban}\n", node.name, node.id)
}
