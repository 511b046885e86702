//! How soon a stopped or killed agent is noticed: from the signal to the event in an operator's
//! hands. Each victim is a process of its own, so that what happens is what happens in life.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use h8lio_proto::v1;
use h8lio_proto::v1::event::Severity;
use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::sync::mpsc;

use super::super::clock;
use super::super::coordinator::Fleet;
use super::super::load::orders::Order;
use super::helper::Helper;

/// Longest wait for an event.
const WITHIN: Duration = Duration::from_secs(20);
/// Between two victims; no multiple of the beat, so that all its phases are met.
const APART: Duration = Duration::from_millis(237);

/// From signal to event, seconds, one a victim.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Detection {
    pub killed_to_suspect: Vec<f64>,
    pub stopped_to_suspect: Vec<f64>,
    pub stopped_to_unreachable: Vec<f64>,
}

/// An event as it reached the operator.
#[derive(Debug)]
struct Seen {
    node: String,
    reason: String,
    at: Instant,
}

/// Stops, continues and kills `count` agents.
///
/// # Errors
/// When something is not noticed.
pub async fn detection(fleet: &Fleet, work: &Path, count: usize) -> anyhow::Result<Detection> {
    let token = fleet.token().await?;
    let mut victims = Vec::new();
    for n in 0..count {
        let mut helper = Helper::start(&work.join("victims.log"))?;
        let prefix = format!("victim-{n}");
        helper
            .tell(Order::Enroll {
                token: token.clone(),
                prefix,
                count: 1,
            })
            .await?;
        helper.tell(Order::Open).await?;
        victims.push(helper);
    }
    let mut events = follow(fleet).await?;
    let mut found = Detection::default();
    // The victims' first seconds are over: a beat or two was heard of each.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let stopped = signal_all(&victims, Signal::SIGSTOP).await?;
    let seen = collect(&mut events, &stopped, &["NodeSuspect", "NodeUnreachable"]).await?;
    found.stopped_to_suspect = times(&stopped, &seen, "NodeSuspect");
    found.stopped_to_unreachable = times(&stopped, &seen, "NodeUnreachable");

    let continued = signal_all(&victims, Signal::SIGCONT).await?;
    collect(&mut events, &continued, &["NodeOnline"]).await?;
    let killed = signal_all(&victims, Signal::SIGKILL).await?;
    let seen = collect(&mut events, &killed, &["NodeSuspect"]).await?;
    found.killed_to_suspect = times(&killed, &seen, "NodeSuspect");
    Ok(found)
}

/// Follows the events as an operator does.
async fn follow(fleet: &Fleet) -> anyhow::Result<mpsc::UnboundedReceiver<Seen>> {
    let mut operator = fleet.operator().await?;
    let request = v1::FollowEventsRequest {
        after_seq: 0,
        node: String::new(),
        min_severity: Severity::Info as i32,
    };
    let mut stream = operator.follow_events(request).await?.into_inner();
    let (send, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(answer)) = stream.message().await {
            let Some(event) = answer.event else { continue };
            let (node, reason) = (event.node_name, event.reason);
            if send
                .send(Seen {
                    node,
                    reason,
                    at: clock::now(),
                })
                .is_err()
            {
                return;
            }
        }
    });
    Ok(events)
}

async fn signal_all(
    victims: &[Helper],
    signal: Signal,
) -> anyhow::Result<HashMap<String, Instant>> {
    let mut sent = HashMap::new();
    for (n, victim) in victims.iter().enumerate() {
        sent.insert(format!("victim-{n}-0"), clock::now());
        victim.process.signal(signal)?;
        tokio::time::sleep(APART).await;
    }
    Ok(sent)
}

/// Waits until each victim has had an event of each of these reasons.
async fn collect(
    events: &mut mpsc::UnboundedReceiver<Seen>,
    victims: &HashMap<String, Instant>,
    reasons: &[&str],
) -> anyhow::Result<HashMap<(String, String), Instant>> {
    let mut seen = HashMap::new();
    while seen.len() < victims.len() * reasons.len() {
        let event = match tokio::time::timeout(WITHIN, events.recv()).await {
            Ok(event) => event.context("the coordinator ended the stream of events")?,
            Err(_) => bail!(
                "{} of {} events ({reasons:?}) came",
                seen.len(),
                victims.len() * reasons.len()
            ),
        };
        let wanted = victims.contains_key(&event.node) && reasons.contains(&event.reason.as_str());
        if wanted {
            seen.entry((event.node, event.reason)).or_insert(event.at);
        }
    }
    Ok(seen)
}

fn times(
    sent: &HashMap<String, Instant>,
    seen: &HashMap<(String, String), Instant>,
    reason: &str,
) -> Vec<f64> {
    let mut all: Vec<f64> = sent
        .iter()
        .filter_map(|(node, from)| {
            let at = seen.get(&(node.clone(), reason.to_owned()))?;
            Some(at.saturating_duration_since(*from).as_secs_f64())
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all
}
