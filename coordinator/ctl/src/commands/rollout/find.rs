//! A rollout by its name.

use h8lio_model::ids::RolloutName;
use h8lio_model::rollout::view::{RolloutNodeView, RolloutView};
use h8lio_proto::v1;

use crate::connect::Api;
use crate::errors::{CallError, CtlError};

const LIST: &str = "h8lctl rollout list";
/// The command that shows which nodes there are.
pub(super) const NODES: &str = "h8lctl node list";

/// The rollout with its nodes.
pub(super) async fn rollout(api: &mut Api, name: &RolloutName) -> Result<RolloutView, CtlError> {
    let request = api.request(v1::GetRolloutRequest {
        name: name.to_string(),
    });
    let answer = api.rollouts.get_rollout(request).await;
    let answer = answer.map_err(|s| CallError::about(&s, "rollout", name.as_str(), LIST))?;
    read(&answer.into_inner().rollout)
}

/// The rollout of an answer.
pub(super) fn read(bytes: &[u8]) -> Result<RolloutView, CtlError> {
    serde_json::from_slice(bytes).map_err(CtlError::answer)
}

/// A node of the rollout, by name or id.
pub(super) fn node<'v>(view: &'v RolloutView, text: &str) -> Option<&'v RolloutNodeView> {
    let mut nodes = view.nodes.iter();
    nodes.find(|n| n.name.as_str() == text || n.id.to_string() == text)
}
