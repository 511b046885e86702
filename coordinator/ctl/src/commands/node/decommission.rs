//! `h8lctl node decommission NAME`

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
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
    } = outcome::agree(ctl, &args.node, &args.change, type_name, preview).await?;
    let request = api.request(v1::DecommissionNodeRequest {
        node,
        change: Some(change),
    });
    let answer = api.nodes.decommission_node(request).await?.into_inner();
    outcome::print(ctl, answer.node, "decommissioned")
}

fn type_name(node: &NodeView) -> Consent<'_> {
    Consent::TypeName(node.name.as_str())
}

fn preview(node: &NodeView) -> String {
    format!(
        "node {} ({}), {}, {}\n  end its membership for good: its identity is never accepted again\n  its workload, addresses and OSDs are left as they are: drain it first if it has any\n",
        node.name, node.id, node.admission, node.availability
    )
}
