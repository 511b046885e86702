//! What is wrong with runtimes and the kubelet.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{CriEndpoint, Kubelet, RuntimeFacts};
use jiff::Timestamp;

use crate::words::plain;

type Verdict = Option<(Status, &'static str, String)>;

/// Conditions of each runtime (by socket) and of the kubelet, `since` and `observed_at` being
/// `now`. A server with neither has none.
pub fn conditions(facts: &RuntimeFacts, now: Timestamp) -> Vec<Condition> {
    let condition =
        |kind, subject: &str, (status, reason, message): (Status, &str, String)| Condition {
            kind,
            status,
            reason: reason.to_owned(),
            subject: subject.to_owned(),
            message,
            since: now,
            observed_at: now,
        };
    let mut out: Vec<_> = facts
        .endpoints
        .iter()
        .filter_map(|e| {
            let verdict = endpoint(e, facts.kubelet.is_some())?;
            Some(condition(
                ConditionType::RuntimeNotReady,
                &e.socket,
                verdict,
            ))
        })
        .collect();
    let kubelet = facts.kubelet.as_ref().and_then(kubelet);
    out.extend(kubelet.map(|v| condition(ConditionType::KubeletNotReady, "", v)));
    out
}

fn endpoint(endpoint: &CriEndpoint, has_kubelet: bool) -> Verdict {
    let socket = plain(&endpoint.socket);
    let error = endpoint.error.as_deref().unwrap_or("no cause is known");
    let told = format!("the runtime at {socket} gives no answer: {error}");
    match endpoint.fault.as_deref() {
        None => not_ready(endpoint, &socket),
        Some("Refused") => Some((Status::True, "Refused", told)),
        Some("TimedOut") => Some((Status::True, "TimedOut", told)),
        Some("Failed") => Some((Status::True, "Failed", told)),
        // containerd beside docker serves no container runtime interface, and without a kubelet
        // nobody misses it.
        Some("NotCri") if !has_kubelet => None,
        Some("NotCri") => Some((Status::Unknown, "NotCri", told)),
        Some(_) => Some((Status::Unknown, "NotPermitted", told)),
    }
}

fn not_ready(endpoint: &CriEndpoint, socket: &str) -> Verdict {
    let name = plain(endpoint.runtime.as_deref().unwrap_or("the runtime"));
    let says = |kind: &str| endpoint.conditions.iter().find(|c| c.kind == kind);
    let Some(runtime) = says("RuntimeReady") else {
        return Some((
            Status::Unknown,
            "NotTold",
            format!("{name} at {socket} does not say whether it is ready"),
        ));
    };
    let (fault, reason) = match says("NetworkReady") {
        _ if !runtime.status => (runtime, "RuntimeNotReady"),
        Some(network) if !network.status => (network, "NetworkNotReady"),
        _ => return None,
    };
    let because = [fault.reason.as_str(), fault.message.as_str()]
        .into_iter()
        .filter(|s| !s.is_empty())
        .map(plain)
        .collect::<Vec<_>>()
        .join(": ");
    Some((
        Status::True,
        reason,
        format!(
            "{name} at {socket} says {} is false ({because})",
            fault.kind
        ),
    ))
}

fn kubelet(kubelet: &Kubelet) -> Verdict {
    match (kubelet.running, kubelet.healthy) {
        (_, Some(true)) => None,
        (_, Some(false)) => Some((
            Status::True,
            "Unhealthy",
            "the kubelet's healthz reports a failure: see its journal".to_owned(),
        )),
        // Installed and never joined to a cluster: nobody expects it to run.
        (Some(false) | None, None) if kubelet.api_server.is_none() => None,
        (Some(false), None) => Some((
            Status::True,
            "NotRunning",
            "the kubelet belongs to a cluster and does not run: start its unit".to_owned(),
        )),
        (Some(true), None) => Some((
            Status::Unknown,
            "NoAnswer",
            "the kubelet runs and gives no answer on 127.0.0.1:10248; healthzPort may be set \
             otherwise"
                .to_owned(),
        )),
        (None, None) => Some((
            Status::Unknown,
            "NotSeen",
            "it cannot be told whether the kubelet runs; see the failed probes".to_owned(),
        )),
    }
}
