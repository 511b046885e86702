//! Rollouts over large fleets, played against a virtual clock by the planner itself
//! (`tests/makespan`), and the pace of the fleet simulator.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use h8lio_makespan::fleet::Fleet;
use h8lio_makespan::row::Row;
use nix::sys::resource::{UsageWho, getrusage};
use serde::Deserialize;

use super::super::kinds::{self, Kind};
use super::super::process::command;
use super::super::report::Report;

/// What is measured of the fleets: each figure with its repeats. Lengths are the same in every
/// repeat, times of planning are not.
///
/// # Errors
/// When a rollout does not come to its end.
pub async fn rollouts(
    report: &mut Report,
    repeats: usize,
) -> anyhow::Result<Vec<(Kind, Vec<f64>)>> {
    let racks = played(|| Fleet::of_racks(1_000, 40)).await?;
    let mut clusters = Vec::new();
    for _ in 0..repeats {
        clusters.push(played(|| Fleet::of_clusters(5_000, 200, 10)).await?);
    }
    let first = clusters.first().context("nothing was to be repeated")?;
    let figures = vec![
        (kinds::RACKS_BOUND, vec![racks.over_the_bound()]),
        (kinds::RACKS_SERIAL, vec![racks.times_serial()]),
        (kinds::RACKS_FIVE, vec![racks.times_five()]),
        (kinds::CLUSTERS_BOUND, vec![first.over_the_bound()]),
        (kinds::CLUSTERS_SERIAL, vec![first.times_serial()]),
        (kinds::CLUSTERS_FIVE, vec![first.times_five()]),
        (
            kinds::PLAN_FIRST,
            clusters.iter().map(|row| row.first_plan_seconds).collect(),
        ),
        (
            kinds::PLAN_SLOWEST,
            clusters
                .iter()
                .map(|row| row.slowest_plan_seconds)
                .collect(),
        ),
    ];
    report.detail("rolloutOfRacks", &racks);
    report.detail("rolloutOfClusters", &clusters);
    Ok(figures)
}

/// Off the threads that watch for signals.
async fn played(fleet: fn() -> Fleet) -> anyhow::Result<Row> {
    let played = tokio::task::spawn_blocking(move || Row::of(&fleet()));
    Ok(played.await.context("a rollout could not be played")??)
}

/// How fast the simulator plays.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub steps_per_core_second: f64,
    pub events_per_core_second: f64,
}

/// What the simulator says of what it played.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Played {
    events: u64,
    workflow: u64,
    failed: usize,
}

/// Plays seeds from 0 on until there are so many steps of workflows.
///
/// # Errors
/// When the simulator is not there, or a seed breaks a promise.
pub async fn simulator(program: &Path, steps: u64) -> anyhow::Result<Pace> {
    let before = childrens_time()?;
    let done = command(program)
        .args(["--json", "--steps", &steps.to_string()])
        .output()
        .await;
    let done = done.with_context(|| {
        format!(
            "cannot start {}; build it: cargo build --profile sim -p h8lio-fleetsim",
            program.display()
        )
    })?;
    let took = childrens_time()?.saturating_sub(before).as_secs_f64();
    let said = String::from_utf8_lossy(&done.stdout);
    let last = said.lines().last().unwrap_or_default();
    let played: Played = serde_json::from_str(last)
        .with_context(|| format!("the simulator said {last:?}, and ended as {}", done.status))?;
    ensure!(
        played.failed == 0,
        "seeds of the simulator failed; see make sim"
    );
    Ok(Pace {
        steps_per_core_second: played.workflow as f64 / took,
        events_per_core_second: played.events as f64 / took,
    })
}

/// Processor time of children that have ended; the simulator is the only one meanwhile.
fn childrens_time() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read children's times")?;
    let micros = |time: nix::sys::time::TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(micros.unsigned_abs())
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}
