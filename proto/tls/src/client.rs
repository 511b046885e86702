//! Connections to a coordinator.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::ids::FleetName;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::bundle::TrustBundle;
use crate::identity::Identity;
use crate::pin::SpkiPin;
use crate::verify::{CoordinatorVerifier, Trust};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct TlsError(#[from] rustls::Error);

/// Why a coordinator could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{0:?} is not an address: write HOST:PORT")]
    Address(String),
    #[error("cannot connect to the coordinator at {address}: {cause}")]
    Connect {
        address: String,
        cause: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("cannot connect to the coordinator at {address}: no answer within {} s", .after.as_secs())]
    TimedOut { address: String, after: Duration },
}

/// How to connect.
#[derive(Debug, Clone, Copy)]
pub struct ConnectOptions {
    /// For TCP and TLS together.
    pub timeout: Duration,
    /// HTTP/2 ping after this much silence.
    pub keepalive_interval: Duration,
    /// The connection is dead when a ping is not answered for this long.
    pub keepalive_timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

/// A configuration that trusts the coordinators of `fleet` and shows `identity`.
///
/// # Errors
/// When rustls refuses the key.
pub fn config(
    fleet: &FleetName,
    bundle: &TrustBundle,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let trust = Trust::Fleet {
        fleet: fleet.clone(),
        bundle: bundle.clone(),
    };
    config_at(trust, identity, Arc::new(DefaultTimeProvider))
}

/// A configuration for a server that knows only the pin of a join token.
///
/// # Errors
/// When rustls refuses the parameters.
pub fn bootstrap_config(pin: SpkiPin) -> Result<Arc<ClientConfig>, TlsError> {
    config_at(Trust::Pin(pin), None, Arc::new(DefaultTimeProvider))
}

/// As [`config`], with a clock of one's own (tests, simulated servers with wrong clocks).
///
/// # Errors
/// When rustls refuses the key.
pub fn config_at(
    trust: Trust,
    identity: Option<&Identity>,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = CoordinatorVerifier::new(trust, Arc::clone(&provider));
    let builder = ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(i) => {
            let chain: Vec<CertificateDer<'static>> = i.chain().to_vec();
            builder.with_client_auth_cert(chain, i.key())?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::in_memory_sessions(4);
    Ok(Arc::new(config))
}

/// Connects: TCP, TLS and HTTP/2. The channel does not reconnect by itself into another
/// identity: drop it and connect again.
///
/// # Errors
/// [`ConnectError`], with the real cause in its text.
pub async fn connect(
    address: &str,
    config: Arc<ClientConfig>,
    options: ConnectOptions,
) -> Result<Channel, ConnectError> {
    let no_address = || ConnectError::Address(address.to_owned());
    // TLS is spoken below, by the connector: the scheme only keeps tonic from adding its own.
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| no_address())?
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true);
    if endpoint.uri().port().is_none() {
        return Err(no_address());
    }
    let tls = TlsConnector::from(config);
    let connector = service_fn(move |uri: http::Uri| {
        let tls = tls.clone();
        async move {
            let authority = uri
                .authority()
                .map(http::uri::Authority::as_str)
                .unwrap_or_default();
            let tcp = TcpStream::connect(authority).await?;
            tcp.set_nodelay(true)?;
            // Not sent (no SNI) and not verified: see CoordinatorVerifier.
            let name = ServerName::try_from("coordinator.h8lio").map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, tcp).await?))
        }
    });
    let attempt = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(options.timeout, attempt).await {
        Err(_) => Err(ConnectError::TimedOut {
            address: address.to_owned(),
            after: options.timeout,
        }),
        Ok(Err(source)) => Err(ConnectError::Connect {
            address: address.to_owned(),
            cause: crate::cause::explain(&source),
            source,
        }),
        Ok(Ok(channel)) => Ok(channel),
    }
}
