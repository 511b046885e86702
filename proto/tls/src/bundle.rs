//! The roots that a peer trusts.

use h8lio_model::section::Digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::pin::SpkiPin;

/// Root certificates of a fleet: one, or two while the CA is being rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustBundle {
    roots: Vec<CertificateDer<'static>>,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the trust bundle is empty: without a root nobody can be trusted")]
    Empty,
    #[error("certificate {index} of the trust bundle cannot be read")]
    Malformed { index: usize },
    #[error("the trust bundle is not valid PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

impl TrustBundle {
    /// Checks and sorts the roots.
    ///
    /// # Errors
    /// When there is none, or one is not a certificate.
    pub fn new(mut roots: Vec<CertificateDer<'static>>) -> Result<Self, BundleError> {
        if roots.is_empty() {
            return Err(BundleError::Empty);
        }
        for (index, root) in roots.iter().enumerate() {
            webpki::anchor_from_trusted_cert(root).map_err(|_| BundleError::Malformed { index })?;
        }
        roots.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        roots.dedup();
        Ok(Self { roots })
    }

    /// The roots, sorted.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// SHA-256 over the sorted roots, each with its length before it.
    pub fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for r in &self.roots {
            all.extend_from_slice(&(r.len() as u64).to_be_bytes());
            all.extend_from_slice(r);
        }
        Digest::of(&all)
    }

    /// Whether a root has this pin.
    pub fn has(&self, pin: SpkiPin) -> bool {
        self.roots
            .iter()
            .any(|r| SpkiPin::of_certificate(r).is_ok_and(|p| p == pin))
    }

    /// The roots as webpki wants them.
    pub(crate) fn anchors(&self) -> Vec<TrustAnchor<'_>> {
        self.roots
            .iter()
            .filter_map(|r| webpki::anchor_from_trusted_cert(r).ok())
            .collect()
    }

    /// PEM, one block a root.
    pub fn to_pem(&self) -> String {
        certificates_to_pem(&self.roots)
    }

    /// Reads PEM.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, BundleError> {
        Self::new(certificates_from_pem(text).map_err(BundleError::Pem)?)
    }
}

/// Certificates as PEM.
pub fn certificates_to_pem(certificates: &[CertificateDer<'static>]) -> String {
    let block = |c: &CertificateDer<'_>| pem::Pem::new("CERTIFICATE", c.as_ref());
    let blocks: Vec<pem::Pem> = certificates.iter().map(block).collect();
    pem::encode_many_config(
        &blocks,
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// Certificates from PEM, in order; other blocks are passed over.
///
/// # Errors
/// When a block is damaged.
pub fn certificates_from_pem(
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(text).collect()
}
