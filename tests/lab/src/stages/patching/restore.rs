//! A coordinator that comes back from a backup older than what servers were ordered.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::losses;
use crate::checks::Checks;
use crate::clock::until_asked;
use crate::fleet::Fleet;
use crate::lab::Lab;

/// Until every server has told what it was ordered.
const HEARD: Duration = Duration::from_secs(180);

/// What happens after a backup was taken is not in it; then it is put back.
///
/// scenario: 15 (lab)
pub(super) fn run(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let copy = lab.folder().join("fleet/fleet.db");
    let out = copy.display().to_string();
    checks.need("a backup is taken", || {
        fleet.ctl().change(&["backup", "create", "--out", &out])
    })?;
    losses::run(checks, lab, fleet);
    checks.check(
        "a restored coordinator orders nothing until a person has accepted what was lost",
        || {
            fleet.kill_coordinator()?;
            fleet.restore_coordinator(&copy)?;
            fleet.start_coordinator()?;
            let lost = until_asked("each server has said what it was ordered", HEARD, || {
                let told = recovery(fleet)?;
                let ahead = told["ahead"].as_array().map_or(0, Vec::len);
                Ok((ahead == lab.servers()?.len()).then_some(told))
            })?;
            let shown = fleet.ctl().ask(&["rollout", "list"])?.to_string();
            ensure!(!shown.contains("killed"), "the copy knows more: {shown}");
            fleet.ctl().change(&["backup", "accept"])?;
            until_asked("the coordinator goes on", HEARD, || {
                let told = recovery(fleet).ok();
                Ok(told.filter(|t| t["frozen"] == "").map(|_| ()))
            })?;
            Ok(lost.to_string())
        },
    );
    Ok(())
}

fn recovery(fleet: &Fleet<'_>) -> Result<Value> {
    fleet.ctl().ask_anyway(&["backup", "recovery"])
}
