//! Container runtimes and the kubelet.

use h8lio_model::inventory::{CriEndpoint, Kubelet, RuntimeFacts};

use super::super::inventory::{phrase, quoted};
use super::Events;
use super::pair::pair;
use super::reason::Reason;
use super::unread::{Seen, unread};

pub(super) fn diff(old: &RuntimeFacts, new: &RuntimeFacts, out: &mut Events) {
    if !unread("container runtimes", &seen(old), &seen(new), out) {
        endpoints(&old.endpoints, &new.endpoints, out);
    }
    match (&old.kubelet, &new.kubelet) {
        (None, Some(k)) => {
            let version = version(k.version.as_deref());
            out.info(
                Reason::KubeletAppeared,
                format!("a kubelet appeared{version}"),
            );
        }
        // With problems the kubelet may only not have been looked at.
        (Some(_), None) if new.problems.is_empty() => {
            out.warning(
                Reason::KubeletVanished,
                "the kubelet is no longer on the server",
            );
        }
        (Some(a), Some(b)) => kubelet(a, b, out),
        _ => {}
    }
}

fn seen(facts: &RuntimeFacts) -> Seen<'_> {
    Seen {
        count: facts.endpoints.len(),
        problems: &facts.problems,
    }
}

fn version(version: Option<&str>) -> String {
    version.map_or_else(String::new, |v| format!(", version {}", quoted(v)))
}

fn name(endpoint: &CriEndpoint) -> String {
    let runtime = endpoint
        .runtime
        .as_deref()
        .map_or_else(|| "runtime".to_owned(), quoted);
    format!("{runtime} at {}", quoted(&endpoint.socket))
}

fn endpoints(old: &[CriEndpoint], new: &[CriEndpoint], out: &mut Events) {
    let pairs = pair(old, new, |e| &e.socket);
    for endpoint in pairs.appeared {
        let message = format!(
            "{} appeared{}",
            name(endpoint),
            version(endpoint.version.as_deref())
        );
        out.info(Reason::RuntimeAppeared, message);
    }
    for endpoint in pairs.vanished {
        let message = format!("{} vanished: the socket is gone", name(endpoint));
        out.warning(Reason::RuntimeVanished, message);
    }
    for (a, b) in pairs.kept {
        endpoint(a, b, out);
    }
}

fn endpoint(old: &CriEndpoint, new: &CriEndpoint, out: &mut Events) {
    match (&old.error, &new.error) {
        (None, Some(why)) => {
            let message = format!("{} stopped answering: {}", name(old), phrase(why));
            out.warning(Reason::RuntimeStoppedAnswering, message);
        }
        (Some(_), None) => {
            out.info(
                Reason::RuntimeAnswersAgain,
                format!("{} answers again", name(new)),
            );
        }
        _ => {}
    }
    if let (Some(a), Some(b)) = (&old.version, &new.version)
        && a != b
    {
        let message = format!(
            "{} has version {} (was {})",
            name(new),
            quoted(b),
            quoted(a)
        );
        out.info(Reason::RuntimeVersionChanged, message);
    }
    for (a, b) in pair(&old.conditions, &new.conditions, |c| &c.kind).kept {
        let kind = quoted(&b.kind);
        match (a.status, b.status) {
            (true, false) => {
                let (reason, why) = (quoted(&b.reason), phrase(&b.message));
                let message = format!("{} is no longer {kind}: {reason}: {why}", name(new));
                out.warning(Reason::RuntimeConditionLost, message);
            }
            (false, true) => {
                let message = format!("{} is {kind} again", name(new));
                out.info(Reason::RuntimeConditionRestored, message);
            }
            _ => {}
        }
    }
}

fn kubelet(old: &Kubelet, new: &Kubelet, out: &mut Events) {
    match (old.running, new.running) {
        (Some(true), Some(false)) => {
            out.warning(
                Reason::KubeletStopped,
                "the kubelet does not run (it ran before)",
            );
        }
        (None, Some(false)) => {
            out.warning(
                Reason::KubeletStopped,
                "the kubelet does not run (not known before)",
            );
        }
        (Some(false), Some(true)) => out.info(Reason::KubeletStarted, "the kubelet runs again"),
        _ => {}
    }
    kubelet_health(old, new, out);
    if let (Some(a), Some(b)) = (&old.version, &new.version)
        && a != b
    {
        let message = format!("the kubelet has version {} (was {})", quoted(b), quoted(a));
        out.info(Reason::KubeletVersionChanged, message);
    }
    if let (Some(a), Some(b)) = (&old.api_server, &new.api_server)
        && a != b
    {
        let message = format!(
            "the kubelet's API server is {} (was {})",
            quoted(b),
            quoted(a)
        );
        out.warning(Reason::KubernetesClusterChanged, message);
    }
}

fn kubelet_health(old: &Kubelet, new: &Kubelet, out: &mut Events) {
    let unhealthy = match (old.healthy, new.healthy) {
        (Some(true), Some(false)) => "the kubelet says that it is not healthy (it was healthy)",
        (None, Some(false)) => "the kubelet says that it is not healthy (not known before)",
        // Its process is there and what answered before does not.
        (Some(true), None) if new.running == Some(true) => {
            "the kubelet runs and no longer answers whether it is healthy (it was healthy)"
        }
        (Some(false), Some(true)) => {
            return out.info(Reason::KubeletHealthy, "the kubelet is healthy again");
        }
        _ => return,
    };
    out.warning(Reason::KubeletUnhealthy, unhealthy);
}
