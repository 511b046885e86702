//! From what runtimes and the kubelet answered to runtime facts and their conditions.

mod conditions;
mod kubeconfig;

use h8lio_model::inventory::{CriCondition, CriEndpoint, Kubelet, Problem, RuntimeFacts};

pub use conditions::conditions;

use crate::host::runtime::{CriFault, KubeletHealth, RawCri, RawKubelet, RawRuntime};

/// Runtime facts from raw answers.
pub fn facts(raw: &RawRuntime) -> RuntimeFacts {
    let mut problems = raw.problems.clone();
    let endpoints = raw.endpoints.iter().map(endpoint).collect();
    let kubelet = raw
        .kubelet
        .installed
        .then(|| kubelet(&raw.kubelet, &mut problems));
    RuntimeFacts {
        endpoints,
        kubelet,
        problems,
    }
}

fn endpoint(raw: &RawCri) -> CriEndpoint {
    let socket = raw.socket.clone();
    match &raw.answer {
        Ok(answer) => CriEndpoint {
            socket,
            runtime: Some(answer.runtime.clone()),
            version: Some(answer.version.clone()),
            api: Some(answer.api.clone()),
            conditions: answer
                .conditions
                .iter()
                .map(|c| CriCondition {
                    kind: c.kind.clone(),
                    status: c.status,
                    reason: c.reason.clone(),
                    message: c.message.clone(),
                })
                .collect(),
            fault: None,
            error: None,
        },
        Err(fault) => CriEndpoint {
            socket,
            fault: Some(word(fault).to_owned()),
            error: Some(fault.to_string()),
            ..CriEndpoint::default()
        },
    }
}

fn word(fault: &CriFault) -> &'static str {
    match fault {
        CriFault::Refused => "Refused",
        CriFault::NotPermitted => "NotPermitted",
        CriFault::TimedOut { .. } => "TimedOut",
        CriFault::NotCri { .. } => "NotCri",
        CriFault::Failed { .. } => "Failed",
    }
}

fn kubelet(raw: &RawKubelet, problems: &mut Vec<Problem>) -> Kubelet {
    let answered = matches!(raw.health, KubeletHealth::Answered { .. });
    Kubelet {
        running: if answered { Some(true) } else { raw.process },
        version: raw.version.as_deref().and_then(|v| version(v, problems)),
        healthy: health(&raw.health, problems),
        api_server: raw.kubeconfig.as_ref().and_then(|config| {
            kubeconfig::api_server(&config.0)
                .map_err(|e| problems.push(not_understood("kubeconfig of the kubelet", e)))
                .ok()
        }),
        manager: manager(&raw.marks, problems),
    }
}

fn not_understood(what: &str, message: String) -> Problem {
    Problem {
        what: what.to_owned(),
        reason: "NotUnderstood".to_owned(),
        message,
    }
}

fn health(health: &KubeletHealth, problems: &mut Vec<Problem>) -> Option<bool> {
    let (reason, message) = match health {
        KubeletHealth::Answered { status, .. } => return Some(*status == 200),
        KubeletHealth::NotAsked | KubeletHealth::Refused => return None,
        KubeletHealth::TimedOut => ("TimedOut", "it did not answer within 2 s".to_owned()),
        KubeletHealth::NotUnderstood => (
            "NotUnderstood",
            "what answers does not speak HTTP".to_owned(),
        ),
        KubeletHealth::Failed { detail } => ("Failed", format!("it cannot be asked: {detail}")),
    };
    problems.push(Problem {
        what: "kubelet healthz on 127.0.0.1:10248".to_owned(),
        reason: reason.to_owned(),
        message,
    });
    None
}

/// `Kubernetes v1.29.3`, `k3s version v1.29.3+k3s1 (…)`.
fn version(printed: &[u8], problems: &mut Vec<Problem>) -> Option<String> {
    let found = std::str::from_utf8(printed).ok().and_then(|text| {
        text.lines()
            .next()?
            .split(' ')
            .find(|w| is_version(w))
            .map(str::to_owned)
    });
    if found.is_none() {
        problems.push(not_understood(
            "kubelet --version",
            "its first line holds no version such as v1.30.2".to_owned(),
        ));
    }
    found
}

fn is_version(word: &str) -> bool {
    word.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.contains('.')
            && rest.bytes().all(|b| b.is_ascii_graphic())
    })
}

/// Whoever left the one mark; several marks are told as such and none is chosen.
fn manager(marks: &[String], problems: &mut Vec<Problem>) -> Option<String> {
    let named: Vec<_> = ["kubeadm", "k3s", "rke2"]
        .into_iter()
        .filter(|name| marks.iter().any(|m| m.contains(name)))
        .collect();
    match named.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        several => {
            problems.push(Problem {
                what: "manager of the kubelet".to_owned(),
                reason: "Failed".to_owned(),
                message: format!(
                    "{} all left their files here; remove those of the ones not in use",
                    several.join(", ")
                ),
            });
            None
        }
    }
}

#[cfg(test)]
mod tests;
