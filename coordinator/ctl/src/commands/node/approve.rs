//! `h8lctl node approve NAME`

use h8lio_model::lifecycle::{Admission, Restriction};
use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Target, Words};
use crate::Ctl;
use crate::errors::{CtlError, Exit};

pub(crate) async fn run(ctl: &mut Ctl<'_>, target: &Target) -> Result<Exit, CtlError> {
    let words = Words {
        consent: outcome::yes,
        preview,
        done: "approved",
    };
    let message = |node, change| v1::ApproveNodeRequest {
        node,
        change: Some(change),
    };
    outcome::change(ctl, target, words, message, async |api, request| {
        Ok(api.nodes.approve_node(request).await?.into_inner().node)
    })
    .await
}

fn preview(node: &NodeView) -> Result<String, String> {
    let what = match (node.admission, &node.restriction) {
        (Admission::Decommissioned, _) => return Err(outcome::gone(node)),
        (_, Some(Restriction::Banned { .. })) => {
            return Err(format!(
                "node {} is banned; end the ban first (h8lctl node unban {})",
                node.name, node.name
            ));
        }
        (_, Some(Restriction::Quarantined { reason, .. })) => {
            format!("end the quarantine ({reason}); its next session counts as the true server")
        }
        (Admission::Pending, None) => "let it in: it gets a node certificate".to_owned(),
        (Admission::Enrolled, None) => "nothing to approve: it is enrolled".to_owned(),
    };
    Ok(format!("node {} ({})\n  {what}\n", node.name, node.id))
}
