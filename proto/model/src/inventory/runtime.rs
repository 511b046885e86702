use serde::{Deserialize, Serialize};

use super::Problem;

/// Container runtimes and the kubelet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeFacts {
    /// One entry for each CRI socket found.
    pub endpoints: Vec<CriEndpoint>,
    pub kubelet: Option<Kubelet>,
    pub problems: Vec<Problem>,
}

/// A CRI socket and what answered on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CriEndpoint {
    pub socket: String,
    /// For example `containerd`; `None` when nothing answered.
    pub runtime: Option<String>,
    pub version: Option<String>,
    /// CRI API spoken, for example `v1`.
    pub api: Option<String>,
    pub conditions: Vec<CriCondition>,
    /// CamelCase word for programs why it gave no answer: `Refused`, `NotPermitted`, `TimedOut`,
    /// `NotCri` or `Failed`.
    pub fault: Option<String>,
    /// The same for people.
    pub error: Option<String>,
}

/// A condition as the runtime reports it (`RuntimeReady`, `NetworkReady`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CriCondition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: bool,
    pub reason: String,
    pub message: String,
}

/// The kubelet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kubelet {
    pub running: Option<bool>,
    pub version: Option<String>,
    /// `/healthz` on 127.0.0.1:10248; `None`: not asked or no answer.
    pub healthy: Option<bool>,
    /// API server of its kubeconfig.
    pub api_server: Option<String>,
    /// `kubeadm`, `k3s`, `rke2` or `None`.
    pub manager: Option<String>,
}
