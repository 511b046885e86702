//! `h8lctl node ban NAME`

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::ChangeArgs;
use crate::errors::{CtlError, Exit};

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
    let request = api.request(v1::BanNodeRequest {
        node,
        change: Some(change),
    });
    let answer = api.nodes.ban_node(request).await?.into_inner();
    outcome::print(ctl, answer.node, "banned")
}

fn preview(node: &NodeView) -> String {
    format!(
        "node {} ({}), {}\n  ban its identity: live streams are cut within seconds, nothing new is done on it\n  its workload, addresses and OSDs stay as they are; `h8lctl node unban` ends it\n",
        node.name, node.id, node.availability
    )
}
