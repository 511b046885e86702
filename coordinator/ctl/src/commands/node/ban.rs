//! `h8lctl node ban NAME`

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
        done: "banned",
    };
    let message = |node, change| v1::BanNodeRequest {
        node,
        change: Some(change),
    };
    outcome::change(ctl, target, words, message, async |api, request| {
        Ok(api.nodes.ban_node(request).await?.into_inner().node)
    })
    .await
}

fn preview(node: &NodeView) -> Result<String, String> {
    let what = match (node.admission, &node.restriction) {
        (Admission::Decommissioned, _) => return Err(outcome::gone(node)),
        (_, Some(Restriction::Banned { reason, by, .. })) => {
            format!("nothing to ban: it is banned by {by} ({reason})")
        }
        _ => "ban its identity: live streams are cut within seconds, nothing new is done on it\n  \
              its workload, addresses and OSDs stay as they are; `h8lctl node unban` ends it"
            .to_owned(),
    };
    Ok(format!(
        "node {} ({}), {}\n  {what}\n",
        node.name, node.id, node.availability
    ))
}
