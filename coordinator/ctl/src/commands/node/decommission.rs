//! `h8lctl node decommission NAME`

use h8lio_model::lifecycle::Admission;
use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Target, Words};
use crate::Ctl;
use crate::change::Consent;
use crate::errors::{CtlError, Exit};

pub(crate) async fn run(ctl: &mut Ctl<'_>, target: &Target) -> Result<Exit, CtlError> {
    let words = Words {
        consent: type_name,
        preview,
        done: "decommissioned",
    };
    let message = |node, change| v1::DecommissionNodeRequest {
        node,
        change: Some(change),
    };
    outcome::change(ctl, target, words, message, async |api, request| {
        Ok(api
            .nodes
            .decommission_node(request)
            .await?
            .into_inner()
            .node)
    })
    .await
}

fn type_name(node: &NodeView) -> Consent<'_> {
    Consent::TypeName(node.name.as_str())
}

fn preview(node: &NodeView) -> Result<String, String> {
    let what = match node.admission {
        Admission::Decommissioned => "nothing to end: it is decommissioned",
        Admission::Pending | Admission::Enrolled => {
            "end its membership for good: its identity is never accepted again\n  \
             its workload, addresses and OSDs are left as they are: drain it first if it has any"
        }
    };
    Ok(format!(
        "node {} ({}), {}, {}\n  {what}\n",
        node.name, node.id, node.admission, node.availability
    ))
}
