//! Connections to the coordinator under test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::{self, ConnectError, ConnectOptions};
use h8lio_tls::identity::Identity;
use h8lio_tls::verify::Trust;
use tonic::transport::Channel;

use super::clock::TestClock;
use super::fleet::FLEET;

/// What a connection needs, but for who makes it.
#[derive(Debug, Clone)]
pub struct Dial {
    pub address: SocketAddr,
    pub bundle: TrustBundle,
    /// The client's clock; the fleet's, unless a test gives it its own.
    pub clock: Arc<TestClock>,
}

/// Connects as `identity`, or as nobody.
///
/// # Errors
/// As [`client::connect`].
pub async fn dial(to: &Dial, identity: Option<&Identity>) -> Result<Channel, ConnectError> {
    let fleet = FLEET.parse().expect("a fleet name");
    dial_as(
        to,
        Trust::Fleet {
            fleet,
            bundle: to.bundle.clone(),
        },
        identity,
    )
    .await
}

/// As [`dial`], with a trust of one's own.
///
/// # Errors
/// As [`client::connect`].
pub async fn dial_as(
    to: &Dial,
    trust: Trust,
    identity: Option<&Identity>,
) -> Result<Channel, ConnectError> {
    let config = client::config_at(trust, identity, Arc::clone(&to.clock) as _);
    let options = ConnectOptions {
        timeout: Duration::from_secs(20),
        ..ConnectOptions::default()
    };
    client::connect(
        &to.address.to_string(),
        config.expect("a key that fits"),
        options,
    )
    .await
}
