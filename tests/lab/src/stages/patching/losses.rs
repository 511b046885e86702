//! A coordinator that is killed again and again, and one that comes back from a backup.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::odd::has;
use super::samples::{Odd, SLOW};
use super::watch::create_for;
use crate::checks::Checks;
use crate::clock::until_asked;
use crate::fleet::Fleet;
use crate::lab::Lab;

/// Three servers one after the other, with a coordinator that begins anew a dozen times.
const ROLLOUT: Duration = Duration::from_secs(1800);

/// What is looked at between two kills at least: less would be no rollout.
const FEWEST: usize = 6;

/// scenario: 11 (lab)
pub(super) fn run(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a coordinator that is killed at each stage of each server changes each server once",
        || {
            create_for(fleet, "killed", &SLOW.target(), "role=storage", &[])?;
            let mut killed_at = BTreeSet::new();
            let end = until_asked("the rollout ends", ROLLOUT, || {
                let shown = fleet.ctl().ask(&["rollout", "show", "killed"])?;
                let stage = stage(&shown)?;
                if killed_at.insert(stage) {
                    fleet.kill_coordinator()?;
                    fleet.start_coordinator()?;
                }
                let state = shown["state"].as_str().unwrap_or_default();
                Ok(["finished", "halted"]
                    .contains(&state)
                    .then(|| state.to_owned()))
            });
            let end = match end {
                Ok(end) => end,
                Err(e) => bail!("{e:#}; it was killed at {killed_at:?}"),
            };
            ensure!(end == "finished", "it is {end}");
            ensure!(
                killed_at.len() >= FEWEST,
                "it was killed at {killed_at:?} alone"
            );
            for server in lab.servers()? {
                has(&server, SLOW, Odd::SECOND)?;
                let times = server.run(&format!(
                    "zgrep -h ' upgrade {}:' /var/log/dpkg.log* | wc -l",
                    SLOW.name
                ))?;
                ensure!(times == "1", "{} was changed {times} times", server.name());
            }
            Ok(format!(
                "killed at {} stages: {killed_at:?}",
                killed_at.len()
            ))
        },
    );
}

/// Where the rollout is: its nodes with their states, the phases of their slots, and their steps.
fn stage(shown: &Value) -> Result<String> {
    let nodes = shown["nodes"].as_array().context("no nodes")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let one = |node: &Value| {
        let slot = &node["slot"];
        let phase = slot["phase"].as_object().and_then(|o| o.keys().next());
        let phase = phase.cloned().unwrap_or_else(|| text(&slot["phase"]));
        let step = text(&slot["step"]["name"]);
        format!(
            "{} {} {phase} {step}",
            text(&node["name"]),
            text(&node["state"])
        )
    };
    Ok(nodes.iter().map(one).collect::<Vec<_>>().join(", "))
}
