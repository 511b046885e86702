//! The action that switches the power.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task;

use super::fault::Fault;
use super::{Bmc, body};
use crate::bmc::board::Act;

pub(super) const RESET: &str = "ComputerSystem.Reset";

/// The values of DMTF's ResetType that this BMC knows, and what they do.
///
/// `GracefulRestart` is left out, as by many a BMC: it would need the server's own help to come back.
const TYPES: &[(&str, Act)] = &[
    ("On", Act::On),
    ("ForceOn", Act::On),
    ("ForceOff", Act::Off),
    ("GracefulShutdown", Act::Button),
    ("PushPowerButton", Act::Button),
    ("ForceRestart", Act::Reset),
    ("PowerCycle", Act::Cycle),
    ("Nmi", Act::Nmi),
];

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "ResetType")]
    kind: Option<String>,
}

/// How the system describes its action.
pub(super) fn described(name: &str) -> Value {
    let types: Vec<&str> = TYPES.iter().map(|(kind, _)| *kind).collect();
    json!({
        "target": format!("/redfish/v1/Systems/{name}/Actions/{RESET}"),
        "ResetType@Redfish.AllowableValues": types,
    })
}

/// Answers when it is done. Asking for the state that is there already is no error.
pub(super) async fn reset(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Result<StatusCode, Fault> {
    bmc.is_ours(&id, &uri)?;
    let wanted: Wanted = body::read(&body)?;
    let kind = wanted
        .kind
        .ok_or_else(|| Fault::parameter_missing(RESET, "ResetType"))?;
    let act = act_of(&kind).ok_or_else(|| Fault::not_in_list(RESET, "ResetType", &kind))?;
    let board = Arc::clone(&bmc.board);
    let acted = task::spawn_blocking(move || board.act(act)).await;
    acted
        .map_err(anyhow::Error::from)
        .flatten()
        .map_err(|e| Fault::internal(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

fn act_of(kind: &str) -> Option<Act> {
    TYPES
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, act)| *act)
}
