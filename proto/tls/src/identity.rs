//! A certificate chain with its key.

use std::time::Duration;

use h8lio_model::ids::Rotation;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::bundle::{certificates_from_pem, certificates_to_pem};
use crate::serial::Serial;
use crate::spiffe::{self, CertificateFault, SpiffeId};

/// Why an identity cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot make a key or a certificate request")]
    Make(#[source] rcgen::Error),
    #[error("the certificate chain is empty")]
    Empty,
    #[error("the certificate is not one of this fleet")]
    Certificate(#[source] CertificateFault),
    #[error("the certificate's serial number is not one that a coordinator of this fleet gives")]
    Serial,
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    #[error("the private key cannot be read")]
    Key,
    #[error("not valid PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

/// A chain (leaf first) and the leaf's key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    id: SpiffeId,
    serial: Serial,
    validity: Validity,
}

/// How far the start of a certificate lies before its issue, so that a peer whose clock is a little
/// behind can use it at once.
pub const BACKDATE: Duration = Duration::from_secs(5 * 60);

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    /// Reads it from a certificate.
    ///
    /// # Errors
    /// When `der` is not a certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, CertificateFault> {
        let certificate = spiffe::parse(der)?;
        let at = |t: x509_parser::time::ASN1Time| {
            Timestamp::from_second(t.timestamp()).map_err(|_| CertificateFault::Malformed)
        };
        let v = certificate.validity();
        Ok(Self {
            not_before: at(v.not_before)?,
            not_after: at(v.not_after)?,
        })
    }

    /// When it was issued, as far as it says: it begins [`BACKDATE`] before that.
    pub fn issued(&self) -> Timestamp {
        let issued = self.not_before.checked_add(BACKDATE);
        match issued {
            Ok(issued) if issued < self.not_after => issued,
            _ => self.not_before,
        }
    }

    /// When half of the life since the issue is over: time to renew. Half of the time between
    /// beginning and end would be over at once for a certificate of a few minutes.
    pub fn half_life(&self) -> Timestamp {
        let half = self
            .not_after
            .as_second()
            .midpoint(self.issued().as_second());
        Timestamp::from_second(half).unwrap_or(self.not_after)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({}, serial {})", self.id, self.serial)
    }
}

impl Identity {
    /// Puts chain and key together and checks that they belong together.
    ///
    /// # Errors
    /// [`IdentityError`] names what does not fit.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::Empty)?;
        let id = spiffe::of_certificate(leaf).map_err(IdentityError::Certificate)?;
        let serial = Serial::of_certificate(leaf).ok_or(IdentityError::Serial)?;
        let validity = Validity::of_certificate(leaf).map_err(IdentityError::Certificate)?;
        let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key)
            .map_err(|_| IdentityError::Key)?;
        let spki = signer.public_key().ok_or(IdentityError::Key)?;
        let certificate = spiffe::parse(leaf).map_err(IdentityError::Certificate)?;
        if certificate.tbs_certificate.subject_pki.raw != spki.as_ref() {
            return Err(IdentityError::KeyMismatch);
        }
        Ok(Self {
            chain,
            key,
            id,
            serial,
            validity,
        })
    }

    /// Reads chain and key from PEM.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = certificates_from_pem(chain).map_err(IdentityError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(IdentityError::Pem)?;
        Self::new(chain, key)
    }

    /// The chain as PEM.
    pub fn chain_pem(&self) -> String {
        certificates_to_pem(&self.chain)
    }

    /// Leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// A copy of the key for a TLS configuration.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// Who it is.
    pub const fn spiffe(&self) -> &SpiffeId {
        &self.id
    }

    /// The leaf's serial.
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// The leaf's rotation.
    pub fn rotation(&self) -> Rotation {
        self.serial.rotation()
    }

    /// From when until when the leaf holds.
    pub const fn validity(&self) -> Validity {
        self.validity
    }
}

/// A fresh ECDSA P-256 key.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn generate_key() -> Result<KeyPair, IdentityError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Make)
}

/// The key as PEM (PKCS#8); wiped when dropped.
pub fn key_to_pem(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(key.serialize_pem())
}

/// A key read from PEM (PKCS#8), for making a certificate request with it again.
///
/// # Errors
/// When it is not a P-256 key.
pub fn key_from_pem(text: &str) -> Result<KeyPair, IdentityError> {
    KeyPair::from_pem_and_sign_algo(text, &PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Make)
}

/// The key for a TLS configuration.
pub fn key_to_der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

/// A PKCS#10 request for `key`, DER. It names nobody: the coordinator takes only the public key.
///
/// # Errors
/// When signing fails.
pub fn csr(key: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    let params = CertificateParams::default();
    Ok(params
        .serialize_request(key)
        .map_err(IdentityError::Make)?
        .der()
        .to_vec())
}
