//! Container runtimes and the kubelet as they answer.

use std::fmt;

use h8lio_model::inventory::Problem;

/// Container runtimes and the kubelet of the server.
pub trait RuntimeHost: Send + Sync {
    /// Asks every runtime socket found and the kubelet. Every question has a deadline of 2 s, and
    /// they are asked one after the other. Meant for once a minute.
    fn runtime(&self) -> RawRuntime;
}

/// Answer of [`RuntimeHost::runtime`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawRuntime {
    /// One entry for each socket that exists.
    pub endpoints: Vec<RawCri>,
    pub kubelet: RawKubelet,
    pub problems: Vec<Problem>,
}

/// A socket and what came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCri {
    pub socket: String,
    pub answer: Result<CriAnswer, CriFault>,
}

/// Answers to `Version` and `Status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriAnswer {
    /// `v1` or `v1alpha2`.
    pub api: String,
    pub runtime: String,
    pub version: String,
    pub conditions: Vec<CriAnswerCondition>,
}

/// A condition of the `Status` answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriAnswerCondition {
    pub kind: String,
    pub status: bool,
    pub reason: String,
    pub message: String,
}

/// Why a socket gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CriFault {
    /// The socket file is there and nothing listens.
    Refused,
    NotPermitted,
    TimedOut {
        seconds: u32,
    },
    /// Something answers that does not speak the container runtime interface.
    NotCri {
        detail: String,
    },
    /// It speaks, and says that it cannot.
    Failed {
        detail: String,
    },
}

impl fmt::Display for CriFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nothing listens on the socket; start the runtime"),
            Self::NotPermitted => {
                f.write_str("no permission to open the socket; run the agent as root")
            }
            Self::TimedOut { seconds } => write!(f, "no answer within {seconds} s"),
            Self::NotCri { detail } => {
                write!(
                    f,
                    "what answers is not a container runtime interface: {detail}"
                )
            }
            Self::Failed { detail } => write!(f, "the runtime answers with an error: {detail}"),
        }
    }
}

/// Traces of the kubelet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawKubelet {
    /// A kubelet, k3s or rke2 binary, or `/var/lib/kubelet`, is there.
    pub installed: bool,
    /// A process named `kubelet`, `k3s…` or `rke2…` runs; `None`: not looked for,
    /// because the kubelet answered, or it could not be looked for.
    pub process: Option<bool>,
    pub health: KubeletHealth,
    /// What `kubelet --version` (or k3s, rke2) printed.
    pub version: Option<Vec<u8>>,
    /// The kubeconfig that it uses. Holds credentials: never logged, never reported whole.
    pub kubeconfig: Option<Secret>,
    /// Files found that tell who installed it.
    pub marks: Vec<String>,
}

/// Bytes that are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// What `/healthz` on 127.0.0.1:10248 answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KubeletHealth {
    #[default]
    NotAsked,
    /// Nothing listens there.
    Refused,
    /// HTTP status, and the first line of the body.
    Answered {
        status: u16,
        body: String,
    },
    TimedOut,
    /// What came back is not HTTP.
    NotUnderstood,
    Failed {
        detail: String,
    },
}
