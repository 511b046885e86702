//! A check of the operator's own, which the coordinator asks before each server.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::samples::PLAIN;
use super::watch::{create_for, until_it_is};
use crate::checks::Checks;
use crate::clock::until_asked;
use crate::fleet::Fleet;
use crate::lab::Lab;

/// Checks are asked every half minute, and an emulated server takes its time.
const SOON: Duration = Duration::from_secs(300);

pub(super) fn run(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let well = std::path::absolute(lab.folder().join("fleet/shop-is-well"))?;
    checks.need("the coordinator knows a health check", || {
        let command = serde_json::json!(["/usr/bin/test", "-e", well]);
        fleet.configure(&format!("[maintenance.health.shop]\ncommand = {command}\n"))
    })?;
    let say_well = || std::fs::write(&well, "").with_context(|| format!("{}", well.display()));
    checks.check(
        "a failing health check keeps the first server, and the next one when it fails again",
        || {
            let more = ["--health-check", "shop", "--canary", "1", "--soak", "90s"];
            create_for(fleet, "asked", &PLAIN.target(), "name=s2,name=s3", &more)?;
            until_held(fleet)?;
            ensure!(begun(fleet)? == 0, "one was begun");
            say_well()?;
            until_asked("the first server is begun", SOON, || {
                Ok((begun(fleet)? == 1).then_some(()))
            })?;
            std::fs::remove_file(&well)?;
            until_asked("the first server is done", SOON, || {
                let shown = fleet.ctl().ask(&["rollout", "show", "asked"])?;
                Ok((shown["count"]["done"] == 1).then_some(()))
            })?;
            let said = until_held(fleet)?;
            ensure!(begun(fleet)? == 1, "a second one was begun");
            say_well()?;
            let seen = until_it_is(fleet, "asked", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
    Ok(())
}

/// Waits until the check is what holds the rollout.
fn until_held(fleet: &Fleet<'_>) -> Result<String> {
    until_asked("the health check holds the rollout", SOON, || {
        let said = fleet.ctl().ask(&["explain", "rollout", "asked"])?;
        let text = said.to_string();
        Ok(text.contains("shop").then_some(text))
    })
}

/// How many servers are in their turn or were.
fn begun(fleet: &Fleet<'_>) -> Result<usize> {
    let shown = fleet.ctl().ask(&["rollout", "show", "asked"])?;
    let nodes = shown["nodes"].as_array().context("no nodes")?;
    Ok(nodes.iter().filter(|n| n["state"] != "waiting").count())
}
