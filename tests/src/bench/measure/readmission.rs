//! A coordinator killed and started again: how soon is its whole fleet back, at what price.

use std::time::Duration;

use anyhow::{Context as _, bail};
use h8lio_proto::v1;
use h8lio_proto::v1::event::Severity;
use serde::Serialize;

use super::super::clock;
use super::super::coordinator::Fleet;
use super::super::process::Process;

/// How often the coordinator is asked how many are back.
const STEP: Duration = Duration::from_millis(100);
/// Longest wait.
const WITHIN: Duration = Duration::from_secs(120);
/// Past the coordinator's grace after a start (15 s at a beat of 1 s): a server wrongly given up
/// would be by then.
const VERDICTS_BY: Duration = Duration::from_secs(22);

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readmission {
    /// From the kill until every node is Online.
    pub seconds: f64,
    /// Processor time of the new process until then.
    pub cpu_seconds: f64,
    /// Nodes called Suspect or Unreachable from the kill on.
    pub false_verdicts: usize,
    pub handshakes: f64,
    pub resumed: f64,
}

/// Kills and starts again; answers the new process.
///
/// # Errors
/// When not all nodes come back.
pub async fn readmission(
    fleet: &Fleet,
    old: Process,
    nodes: usize,
) -> anyhow::Result<(Process, Readmission)> {
    let last = newest_event(fleet).await?;
    let start = clock::now();
    old.kill().await?;
    let coordinator = fleet.launch()?;
    let seconds = loop {
        let online = match fleet.scrape().await {
            Ok(scrape) => scrape.online()?,
            Err(_) => 0,
        };
        if online >= nodes {
            break start.elapsed().as_secs_f64();
        }
        if start.elapsed() > WITHIN {
            bail!(
                "{online} of {nodes} nodes are back after {} s",
                WITHIN.as_secs()
            );
        }
        tokio::time::sleep(STEP).await;
    };
    let cpu_seconds = coordinator.cpu()?;
    let scrape = fleet.scrape().await?;
    tokio::time::sleep(VERDICTS_BY.saturating_sub(start.elapsed())).await;
    let measured = Readmission {
        seconds,
        cpu_seconds,
        false_verdicts: verdicts_since(fleet, last).await?,
        handshakes: scrape.value("h8lio_connections_accepted_total")?,
        resumed: scrape.value("h8lio_connections_resumed_total")?,
    };
    Ok((coordinator, measured))
}

async fn newest_event(fleet: &Fleet) -> anyhow::Result<u64> {
    let request = v1::ListEventsRequest {
        limit: 1,
        ..v1::ListEventsRequest::default()
    };
    let events = fleet
        .operator()
        .await?
        .list_events(request)
        .await?
        .into_inner()
        .events;
    Ok(events
        .last()
        .context("the coordinator has no event, not even of its start")?
        .seq)
}

async fn verdicts_since(fleet: &Fleet, after_seq: u64) -> anyhow::Result<usize> {
    let request = v1::ListEventsRequest {
        after_seq,
        limit: 1_000,
        min_severity: Severity::Warning as i32,
        ..v1::ListEventsRequest::default()
    };
    let events = fleet
        .operator()
        .await?
        .list_events(request)
        .await?
        .into_inner()
        .events;
    let bad = |e: &&v1::Event| matches!(e.reason.as_str(), "NodeSuspect" | "NodeUnreachable");
    Ok(events.iter().filter(bad).count())
}
