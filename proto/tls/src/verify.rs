//! How clients decide whether the peer is a coordinator of their fleet.

use std::sync::Arc;

use h8lio_model::ids::FleetName;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

use crate::bundle::TrustBundle;
use crate::pin::SpkiPin;
use crate::spiffe::{self, Subject};

/// What a client knows about its coordinator beforehand.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The fleet and its roots.
    Fleet {
        fleet: FleetName,
        bundle: TrustBundle,
    },
    /// Only the pin of a root, from a join token.
    Pin(SpkiPin),
}

/// Why a server is not the coordinator that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    #[error("the server is not a coordinator: its certificate is for {0}")]
    NotACoordinator(String),
    #[error("the server belongs to fleet {found}, not to {expected}")]
    OtherFleet {
        expected: FleetName,
        found: FleetName,
    },
    #[error(
        "the server's CA does not have the pin {expected} of the join token: either the token is of another fleet or somebody answers in the coordinator's place"
    )]
    WrongPin { expected: SpkiPin },
}

/// How both ends check that the peer holds the key of its certificate: TLS 1.3, and nothing older.
#[derive(Debug, Clone)]
pub struct Signatures(Arc<CryptoProvider>);

impl Signatures {
    /// With the algorithms of this provider.
    pub const fn new(provider: Arc<CryptoProvider>) -> Self {
        Self(provider)
    }

    /// The provider.
    pub fn provider(&self) -> &CryptoProvider {
        &self.0
    }

    /// Refuses whatever TLS 1.2 shows.
    ///
    /// # Errors
    /// Always.
    pub fn tls12(&self) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    /// Checks a signature of TLS 1.3.
    ///
    /// # Errors
    /// When it is not by the certificate's key, or of a kind that is not accepted.
    pub fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    /// The kinds that are accepted.
    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies coordinators. Names and addresses play no part: only chain, purpose and identity.
#[derive(Debug)]
pub struct CoordinatorVerifier {
    trust: Trust,
    signatures: Signatures,
}

impl CoordinatorVerifier {
    /// A verifier with this trust.
    pub const fn new(trust: Trust, provider: Arc<CryptoProvider>) -> Self {
        Self {
            trust,
            signatures: Signatures::new(provider),
        }
    }

    fn bundle(&self, intermediates: &[CertificateDer<'_>]) -> Result<TrustBundle, Error> {
        match &self.trust {
            Trust::Fleet { bundle, .. } => Ok(bundle.clone()),
            Trust::Pin(pin) => intermediates
                .iter()
                .find(|c| SpkiPin::of_certificate(c).is_ok_and(|p| p == *pin))
                .and_then(|c| TrustBundle::new(vec![c.clone().into_owned()]).ok())
                .ok_or_else(|| other(NotOurs::WrongPin { expected: *pin })),
        }
    }

    fn check_name(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let id = spiffe::of_certificate(leaf).map_err(other)?;
        if let Trust::Fleet { fleet, .. } = &self.trust
            && id.fleet != *fleet
        {
            return Err(other(NotOurs::OtherFleet {
                expected: fleet.clone(),
                found: id.fleet,
            }));
        }
        match id.subject {
            Subject::Coordinator(_) => Ok(()),
            Subject::Node(_) | Subject::Operator { .. } => {
                Err(other(NotOurs::NotACoordinator(id.to_string())))
            }
        }
    }
}

/// Wraps an error of ours as rustls wants it.
fn other(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(e))))
}

/// Checks a chain against the roots for one purpose at one time.
///
/// # Errors
/// rustls' own certificate errors, so that expiry, unknown issuer and wrong purpose stay apart.
pub fn check_chain(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    bundle: &TrustBundle,
    usage: KeyUsage,
    now: UnixTime,
    provider: &CryptoProvider,
) -> Result<(), Error> {
    let anchors = bundle.anchors();
    let entity = EndEntityCert::try_from(leaf).map_err(webpki_error)?;
    entity
        .verify_for_usage(
            provider.signature_verification_algorithms.all,
            &anchors,
            intermediates,
            now,
            usage,
            None,
            None,
        )
        .map(|_| ())
        .map_err(webpki_error)
}

fn webpki_error(e: webpki::Error) -> Error {
    use webpki::Error as E;
    let certificate = match e {
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    Error::InvalidCertificate(certificate)
}

impl ServerCertVerifier for CoordinatorVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bundle = self.bundle(intermediates)?;
        check_chain(
            leaf,
            intermediates,
            &bundle,
            KeyUsage::server_auth(),
            now,
            self.signatures.provider(),
        )?;
        self.check_name(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
