//! The coordinator's side of TLS: 1.3 only, client certificates optional, and everything that can
//! change (own certificate, trusted roots, ticket keys) replaceable while connections come in.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use h8lio_model::ids::FleetName;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::Identity;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign};
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;

pub use super::tickets::TicketSecret;
use super::tickets::Tickets;
use crate::clock::Clock;
use crate::pki::verifier::ClientVerifier;

/// rustls' view of a [`Clock`].
#[derive(Debug)]
pub struct ClockTime(pub Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// The live TLS settings of a listener.
#[derive(Debug)]
pub struct LiveTls {
    config: Arc<ServerConfig>,
    own: Arc<Own>,
    bundle: Arc<ArcSwap<TrustBundle>>,
    verifier: Arc<ClientVerifier>,
    tickets: Arc<Tickets>,
}

/// The certificate that is shown to the next client.
#[derive(Debug, Default)]
struct Own(ArcSwapOption<CertifiedKey>);

impl ResolvesServerCert for Own {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

impl LiveTls {
    /// TLS for `fleet` that shows `identity` and trusts clients of `bundle`.
    ///
    /// # Errors
    /// When rustls refuses the key.
    pub fn new(
        fleet: FleetName,
        identity: &Identity,
        bundle: TrustBundle,
        secret: TicketSecret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(ClockTime(clock));
        let own = Arc::new(Own::default());
        own.0.store(Some(certified(identity)?));
        let bundle = Arc::new(ArcSwap::from_pointee(bundle));
        let verifier = Arc::new(ClientVerifier::new(
            fleet,
            Arc::clone(&bundle),
            Arc::clone(&provider),
        ));
        let tickets = Arc::new(Tickets::new(secret, Arc::clone(&time)));
        let mut config = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&verifier) as _)
            .with_cert_resolver(Arc::clone(&own) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.ticketer = Arc::clone(&tickets) as _;
        // One is enough: each agent has one connection.
        config.send_tls13_tickets = 1;
        Ok(Self {
            config: Arc::new(config),
            own,
            bundle,
            verifier,
            tickets,
        })
    }

    /// For the acceptor.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Judges clients, also those that resume a session.
    pub fn verifier(&self) -> Arc<ClientVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Shows another certificate from the next connection on.
    ///
    /// # Errors
    /// When rustls refuses the key; the old certificate stays.
    pub fn show(&self, identity: &Identity) -> Result<(), rustls::Error> {
        self.own.0.store(Some(certified(identity)?));
        Ok(())
    }

    /// Trusts another bundle from the next connection on.
    pub fn trust(&self, bundle: TrustBundle, secret: TicketSecret) {
        self.bundle.store(Arc::new(bundle));
        self.tickets.replace(secret);
    }
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let key = sign::any_ecdsa_type(&identity.key())?;
    Ok(Arc::new(CertifiedKey::new(identity.chain().to_vec(), key)))
}
