//! Judges the certificates that callers present.
//!
//! A client certificate is optional: a server that joins has none yet. One that is shown must be
//! in order, with one exception: a *node's* certificate may have ended. It passes the handshake,
//! marked, so that its holder can prove possession of the old key and get a new one; how long
//! after the end that is allowed is the enrollment's decision.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use h8lio_model::ids::FleetName;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::Validity;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::serial::Serial;
use h8lio_tls::spiffe::{self, CertificateFault, Subject};
use h8lio_tls::verify::{Signatures, check_chain};
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use webpki::KeyUsage;

use super::caller::Caller;

/// Why a client certificate is refused. `who` is what the certificate says, which is proved only
/// in those variants that come after the check of the chain.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientRefusal {
    #[error("the client certificate cannot be used: {0}")]
    Unreadable(CertificateFault),
    #[error("the client certificate of {who} has a serial number that this fleet never gives")]
    ForeignSerial { who: String },
    #[error("the client certificate is of fleet {found}; this is {expected}")]
    OtherFleet {
        expected: FleetName,
        found: FleetName,
    },
    #[error("{who} shows a coordinator's certificate, which is for servers only")]
    ServerCertificate { who: String },
    #[error(
        "the certificate of {who} ended at {not_after}; an admin can issue a new one (h8lctl operator create)"
    )]
    Expired {
        who: String,
        not_after: Timestamp,
        now: UnixTime,
    },
    #[error(
        "the certificate of {who} begins at {not_before}, in the future by this clock: one of the two clocks is wrong"
    )]
    NotYetValid {
        who: String,
        not_before: Timestamp,
        now: UnixTime,
    },
    #[error(
        "the certificate that says {who} is not signed by this fleet's authority, or by one whose rotation is finished"
    )]
    UnknownCa { who: String },
    #[error("the certificate of {who} is not for clients (extended key usage)")]
    WrongPurpose { who: String },
    #[error("the certificate that says {who} does not hold: {cause}")]
    Chain { who: String, cause: Error },
}

impl ClientRefusal {
    /// As rustls sends it to the client: the alert tells apart what its user can act on.
    fn into_tls(self) -> Error {
        let at = |t: Timestamp| {
            let seconds = u64::try_from(t.as_second()).unwrap_or(0);
            UnixTime::since_unix_epoch(Duration::from_secs(seconds))
        };
        Error::InvalidCertificate(match self {
            Self::Expired { not_after, now, .. } => CertificateError::ExpiredContext {
                time: now,
                not_after: at(not_after),
            },
            // rustls has one alert for "not yet valid" and "expired". This one becomes
            // `access_denied`, which is sent for nothing else, so that the client can tell them
            // apart.
            Self::NotYetValid { .. } => CertificateError::ApplicationVerificationFailure,
            Self::UnknownCa { .. } => CertificateError::UnknownIssuer,
            Self::WrongPurpose { .. } | Self::ServerCertificate { .. } => {
                CertificateError::InvalidPurpose
            }
            other => CertificateError::Other(OtherError(Arc::new(other))),
        })
    }
}

/// Verifies clients against a bundle that can change while connections come in.
#[derive(Debug)]
pub struct ClientVerifier {
    fleet: FleetName,
    bundle: Arc<ArcSwap<TrustBundle>>,
    signatures: Signatures,
}

tokio::task_local! {
    /// What [`ClientVerifier`] said during the handshake that the current task drives. rustls
    /// hands back only its own error type, and nothing at all when a certificate is accepted.
    static VERDICT: RefCell<Option<Result<Caller, ClientRefusal>>>;
}

/// Drives a handshake and returns what the verifier said in it; `None` when it was not asked:
/// no certificate was shown, or the session was resumed.
pub async fn with_verdict<F: Future>(
    handshake: F,
) -> (F::Output, Option<Result<Caller, ClientRefusal>>) {
    VERDICT
        .scope(RefCell::new(None), async {
            let output = handshake.await;
            (output, VERDICT.with(|v| v.borrow_mut().take()))
        })
        .await
}

impl ClientVerifier {
    /// A verifier for the clients of `fleet`.
    pub const fn new(
        fleet: FleetName,
        bundle: Arc<ArcSwap<TrustBundle>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            fleet,
            bundle,
            signatures: Signatures::new(provider),
        }
    }

    /// Who a certificate speaks for at `now`.
    ///
    /// # Errors
    /// [`ClientRefusal`].
    pub fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Caller, ClientRefusal> {
        let id = spiffe::of_certificate(leaf).map_err(ClientRefusal::Unreadable)?;
        if id.fleet != self.fleet {
            let expected = self.fleet.clone();
            return Err(ClientRefusal::OtherFleet {
                expected,
                found: id.fleet,
            });
        }
        let who = id.to_string();
        let validity = Validity::of_certificate(leaf).map_err(ClientRefusal::Unreadable)?;
        let spki_hash = SpkiPin::of_certificate(leaf).map_err(ClientRefusal::Unreadable)?;
        let serial = Serial::of_certificate(leaf)
            .ok_or_else(|| ClientRefusal::ForeignSerial { who: who.clone() })?;
        let authority = issuer_generation(leaf);
        let expired = is_after(now, validity.not_after);
        if let Subject::Coordinator(_) = id.subject {
            return Err(ClientRefusal::ServerCertificate { who });
        }
        self.check(leaf, intermediates, &who, validity, now)?;
        let not_after = validity.not_after;
        match id.subject {
            Subject::Node(id) => {
                let rotation = serial.rotation();
                Ok(Caller::Node {
                    id,
                    serial,
                    rotation,
                    expired,
                    not_after,
                    spki_hash,
                    authority,
                })
            }
            Subject::Operator { .. } if expired => Err(ClientRefusal::Expired {
                who,
                not_after,
                now,
            }),
            Subject::Operator { name, role } => Ok(Caller::Operator {
                name,
                role,
                serial,
                not_after,
            }),
            Subject::Coordinator(_) => Err(ClientRefusal::ServerCertificate { who }),
        }
    }

    /// Checks chain and purpose. An ended certificate is checked as of its last second: the rest
    /// must still be in order.
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        who: &str,
        validity: Validity,
        now: UnixTime,
    ) -> Result<(), ClientRefusal> {
        let who = || who.to_owned();
        let not_before = validity.not_before;
        if i64::try_from(now.as_secs()).is_ok_and(|s| s < not_before.as_second()) {
            return Err(ClientRefusal::NotYetValid {
                who: who(),
                not_before,
                now,
            });
        }
        let last = u64::try_from(validity.not_after.as_second().saturating_sub(1)).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(last.min(now.as_secs())));
        // "If present": webpki asks the authorities in between, too, and ours carry none.
        let usage = KeyUsage::client_auth();
        let bundle = self.bundle.load();
        check_chain(
            leaf,
            intermediates,
            &bundle,
            usage,
            at,
            self.signatures.provider(),
        )
        .map_err(|e| match e {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                ClientRefusal::UnknownCa { who: who() }
            }
            // Two authorities may share a name and differ in their keys.
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                ClientRefusal::UnknownCa { who: who() }
            }
            Error::InvalidCertificate(CertificateError::InvalidPurpose) => {
                ClientRefusal::WrongPurpose { who: who() }
            }
            cause => ClientRefusal::Chain { who: who(), cause },
        })?;
        if is_for_clients(leaf) {
            Ok(())
        } else {
            Err(ClientRefusal::WrongPurpose { who: who() })
        }
    }
}

/// The generation of the authority that signed a leaf; 0 when its name tells none.
fn issuer_generation(leaf: &[u8]) -> u64 {
    let leaf = spiffe::parse(leaf).ok();
    leaf.and_then(|c| super::template::generation(c.issuer()))
        .unwrap_or(0)
}

/// Whether the leaf says that it is for TLS clients; saying nothing is not enough.
fn is_for_clients(leaf: &[u8]) -> bool {
    let Ok(leaf) = spiffe::parse(leaf) else {
        return false;
    };
    leaf.extended_key_usage()
        .is_ok_and(|e| e.is_some_and(|e| e.value.client_auth))
}

fn is_after(now: UnixTime, end: Timestamp) -> bool {
    i64::try_from(now.as_secs()).is_ok_and(|s| s > end.as_second())
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: clients have one identity and show it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = self.judge(leaf, intermediates, now);
        let answer = match &verdict {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(refusal) => Err(refusal.clone().into_tls()),
        };
        // Outside `with_verdict` nobody asks.
        let _ = VERDICT.try_with(|v| v.replace(Some(verdict)));
        answer
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

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
