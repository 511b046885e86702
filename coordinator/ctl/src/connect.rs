//! From a context to a coordinator that answers.

use std::time::Duration;

use async_trait::async_trait;
use h8lio_proto::v1::backup_service_client::BackupServiceClient;
use h8lio_proto::v1::fleet_service_client::FleetServiceClient;
use h8lio_proto::v1::node_service_client::NodeServiceClient;
use h8lio_proto::v1::rollout_service_client::RolloutServiceClient;
use h8lio_tls::{cause, client};
use tonic::transport::Channel;

use crate::context::Context;
use crate::errors::{CtlError, Exit};

/// TCP and TLS together, for each address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer taken: 10,000 nodes with a dozen conditions each stay below it.
const MAX_ANSWER: usize = 64 << 20;

/// Why one address gave no channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialFailure {
    /// In an operator's words.
    pub cause: String,
    /// Somebody answered, but one side refused the other's certificate.
    pub refused: bool,
}

/// Opens a channel to one address; tests put a server of their own behind it.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects to `address` with the identity of `context`.
    ///
    /// # Errors
    /// [`DialFailure`] for this address; the next one is tried then.
    async fn dial(&self, context: &Context, address: &str) -> Result<Channel, DialFailure>;
}

/// Mutual TLS, as the context says.
#[derive(Debug, Default)]
pub struct TlsDial;

#[async_trait]
impl Dial for TlsDial {
    async fn dial(&self, context: &Context, address: &str) -> Result<Channel, DialFailure> {
        let plain = |cause: String| DialFailure {
            cause,
            refused: false,
        };
        let trust = context.trust().map_err(|e| plain(e.to_string()))?;
        let identity = context.identity().map_err(|e| plain(e.to_string()))?;
        let config = client::config(&context.fleet, &trust, Some(&identity))
            .map_err(|e| plain(cause::explain(&e)))?;
        let options = client::ConnectOptions {
            timeout: CONNECT_TIMEOUT,
            ..client::ConnectOptions::default()
        };
        client::connect(address, config, options)
            .await
            .map_err(|e| match e {
                client::ConnectError::Connect { cause, source, .. } => DialFailure {
                    cause,
                    refused: cause::refusal(&source).is_some(),
                },
                client::ConnectError::TimedOut { after, .. } => {
                    plain(format!("no answer within {} s", after.as_secs()))
                }
                e @ client::ConnectError::Address(_) => plain(e.to_string()),
            })
    }
}

/// Why no coordinator could be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("no coordinator of fleet {fleet} answers: {}", each(.failures))]
    Unreachable {
        fleet: String,
        failures: Vec<(String, DialFailure)>,
    },
    #[error("no coordinator of fleet {fleet} accepts context {context}: {}", each(.failures))]
    Refused {
        fleet: String,
        context: String,
        failures: Vec<(String, DialFailure)>,
    },
}

fn each(failures: &[(String, DialFailure)]) -> String {
    let texts: Vec<String> = failures
        .iter()
        .map(|(address, f)| format!("{address}: {}", f.cause))
        .collect();
    texts.join("; ")
}

impl ConnectError {
    /// The exit code.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused { .. } => Exit::NotPermitted,
        }
    }
}

/// The clients of a connected coordinator.
#[derive(Debug, Clone)]
pub struct Api {
    pub nodes: NodeServiceClient<Channel>,
    pub fleet: FleetServiceClient<Channel>,
    pub rollouts: RolloutServiceClient<Channel>,
    pub backups: BackupServiceClient<Channel>,
    timeout: Duration,
}

impl Api {
    /// Clients over `channel`; each unary call may take `timeout`.
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        Self {
            nodes: NodeServiceClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER),
            fleet: FleetServiceClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER),
            backups: BackupServiceClient::new(channel.clone()),
            rollouts: RolloutServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER),
            timeout,
        }
    }

    /// A request with the deadline.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

/// Tries the context's addresses in order and takes the first that answers.
///
/// # Errors
/// [`ConnectError`] with the cause of every address.
pub async fn connect(
    dial: &dyn Dial,
    context: &Context,
    timeout: Duration,
) -> Result<Api, CtlError> {
    let mut failures = Vec::new();
    for address in &context.addresses {
        match dial.dial(context, address).await {
            Ok(channel) => return Ok(Api::new(channel, timeout)),
            Err(failure) => failures.push((address.clone(), failure)),
        }
    }
    let fleet = context.fleet.to_string();
    let error = if failures.iter().any(|(_, f)| f.refused) {
        ConnectError::Refused {
            fleet,
            context: context.name.clone(),
            failures,
        }
    } else {
        ConnectError::Unreachable { fleet, failures }
    };
    Err(error.into())
}
