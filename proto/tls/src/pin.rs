//! SPKI pins: the one thing that a new server knows about its coordinator.

use std::fmt;
use std::str::FromStr;

use h8lio_model::section::Digest;

use crate::spiffe::{self, CertificateFault};

/// SHA-256 of a certificate's SubjectPublicKeyInfo (DER). Text form `sha256:<64 hex digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpkiPin(pub [u8; 32]);

impl SpkiPin {
    /// The pin of a certificate.
    ///
    /// # Errors
    /// When `der` is not a certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, CertificateFault> {
        Ok(Self::of_spki(
            spiffe::parse(der)?.tbs_certificate.subject_pki.raw,
        ))
    }

    /// The pin of a SubjectPublicKeyInfo in DER.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(Digest::of(der).0)
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

/// Why a text is not a pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a pin: sha256: and 64 hexadecimal digits are needed")]
pub struct NotAPin;

impl FromStr for SpkiPin {
    type Err = NotAPin;

    fn from_str(s: &str) -> Result<Self, NotAPin> {
        let digits = s.strip_prefix("sha256:").ok_or(NotAPin)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| NotAPin)?;
        Ok(Self(bytes))
    }
}
