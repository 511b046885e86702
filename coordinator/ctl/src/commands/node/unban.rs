//! `h8lctl node unban NAME`

use h8lio_model::lifecycle::Restriction;
use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::outcome::{self, Target, Words};
use crate::Ctl;
use crate::errors::{CtlError, Exit};

pub(crate) async fn run(ctl: &mut Ctl<'_>, target: &Target) -> Result<Exit, CtlError> {
    let words = Words {
        consent: outcome::yes,
        preview,
        done: "no longer banned",
    };
    let message = |node, change| v1::UnbanNodeRequest {
        node,
        change: Some(change),
    };
    outcome::change(ctl, target, words, message, async |api, request| {
        Ok(api.nodes.unban_node(request).await?.into_inner().node)
    })
    .await
}

fn preview(node: &NodeView) -> Result<String, String> {
    let what = match &node.restriction {
        Some(Restriction::Banned { reason, by, .. }) => format!("end the ban by {by} ({reason})"),
        Some(Restriction::Quarantined { .. }) => {
            return Err(format!(
                "node {} is quarantined, not banned: find the copy, then `h8lctl node approve {}`",
                node.name, node.name
            ));
        }
        None => "nothing to end: it is not banned".to_owned(),
    };
    Ok(format!("node {} ({})\n  {what}\n", node.name, node.id))
}
