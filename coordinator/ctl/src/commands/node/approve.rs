//! `h8lctl node approve NAME`

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::ChangeArgs;
use crate::errors::{CtlError, Exit};
use h8lio_model::lifecycle::{Admission, Restriction};

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
    let request = api.request(v1::ApproveNodeRequest {
        node,
        change: Some(change),
    });
    let answer = api.nodes.approve_node(request).await?.into_inner();
    outcome::print(ctl, answer.node, "approved")
}

fn preview(node: &NodeView) -> String {
    let what = match (&node.restriction, node.admission) {
        (Some(Restriction::Quarantined { reason, .. }), _) => {
            format!("end the quarantine ({reason}); its next session counts as the true server")
        }
        (_, Admission::Pending) => "let it in: it gets a node certificate".to_owned(),
        (Some(Restriction::Banned { .. }), _) => {
            "nothing to approve: it is banned, see `h8lctl node unban`".to_owned()
        }
        (None, _) => format!("nothing to approve: it is {}", node.admission),
    };
    format!("node {} ({})\n  {what}\n", node.name, node.id)
}
