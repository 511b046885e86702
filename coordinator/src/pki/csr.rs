//! Reads certificate signing requests, trusting nothing in them but the public key.
//!
//! A request comes from whoever can reach the port. Its subject, its extensions (CA:TRUE, foreign
//! names, key usages) and its attributes are never looked at: the certificate is written from
//! policy alone. What is left is one question: does the sender hold the private half of exactly
//! one acceptable public key?

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// Largest request that is read, in bytes. One with a P-256 key and no extras has about 250.
pub const MAX_CSR_BYTES: usize = 8 * 1024;

/// DER in front of an uncompressed point in a SubjectPublicKeyInfo of P-256 (RFC 5480 section 2):
/// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (no unused bits) }.
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Length of an uncompressed P-256 point: 0x04, x, y.
const P256_POINT_BYTES: usize = 65;

/// AlgorithmIdentifier of ecdsa-with-SHA256 without parameters (RFC 5758 section 3.2), DER.
const ECDSA_WITH_SHA256: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

/// Why a certificate signing request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrRefusal {
    #[error(
        "the certificate signing request has {bytes} bytes, more than {MAX_CSR_BYTES}; send a plain PKCS#10 request without extras"
    )]
    TooLarge { bytes: usize },
    #[error("the certificate signing request is not PKCS#10 in DER form")]
    Malformed,
    #[error("the certificate signing request is followed by {bytes} foreign bytes")]
    TrailingBytes { bytes: usize },
    #[error("the certificate signing request holds {found}; only ECDSA keys on P-256 are accepted")]
    UnacceptableKey { found: String },
    #[error(
        "the certificate signing request is signed with algorithm {found} or in an unusual encoding; only plain ECDSA with SHA-256 is accepted"
    )]
    UnacceptableSignature { found: String },
    #[error(
        "the signature of the certificate signing request is wrong: the sender does not hold the key it asks for"
    )]
    WrongSignature,
}

/// A public key whose holder proved that it has the private half.
///
/// Only [`read`] and [`PublicKey::of_pair`] make one, so a certificate cannot be issued for bytes
/// that nobody checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; P256_POINT_BYTES],
}

impl PublicKey {
    /// The public half of a key pair that this program holds; `None` when it is not on P-256.
    pub fn of_pair(pair: &rcgen::KeyPair) -> Option<Self> {
        let point = pair.public_key_raw().try_into().ok()?;
        pair.is_compatible(&PKCS_ECDSA_P256_SHA256)
            .then_some(Self { point })
    }

    /// The SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> Vec<u8> {
        [&P256_SPKI_PREFIX[..], &self.point[..]].concat()
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Reads a PKCS#10 request and checks its self-signature.
///
/// # Errors
/// [`CsrRefusal`] for anything but one well-formed request of at most [`MAX_CSR_BYTES`], signed by
/// the P-256 key that it holds.
pub fn read(der: &[u8]) -> Result<PublicKey, CsrRefusal> {
    if der.len() > MAX_CSR_BYTES {
        return Err(CsrRefusal::TooLarge { bytes: der.len() });
    }
    let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| CsrRefusal::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrRefusal::TrailingBytes { bytes: rest.len() });
    }
    let info = &csr.certification_request_info;
    let point = p256_point(info.subject_pki.raw).ok_or_else(|| CsrRefusal::UnacceptableKey {
        found: describe_key(&info.subject_pki),
    })?;
    let behind_info = encode_signature(&csr.signature_value.data);
    if der[0] != 0x30 || !der.ends_with(&[info.raw, &behind_info].concat()) {
        let found = csr.signature_algorithm.algorithm.to_id_string();
        return Err(CsrRefusal::UnacceptableSignature {
            found: short(&found),
        });
    }
    // This also refuses a point that is not on the curve.
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point)
        .verify(info.raw, &csr.signature_value.data)
        .map_err(|_| CsrRefusal::WrongSignature)?;
    Ok(PublicKey { point })
}

/// The point of a SubjectPublicKeyInfo that is, byte for byte, one of P-256 in uncompressed form.
/// Comparing bytes leaves no room for explicit curve parameters or odd encodings.
fn p256_point(spki: &[u8]) -> Option<[u8; P256_POINT_BYTES]> {
    let point: [u8; P256_POINT_BYTES] = spki.strip_prefix(&P256_SPKI_PREFIX)?.try_into().ok()?;
    (point[0] == 0x04).then_some(point)
}

/// What kind of key it is, for the person who reads the refusal.
fn describe_key(spki: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> String {
    let oid = spki.algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.1" => "an RSA key".to_owned(),
        "1.3.101.112" => "an Ed25519 key".to_owned(),
        "1.2.840.10045.2.1" => {
            let curve = spki.algorithm.parameters.as_ref();
            let curve = curve
                .and_then(|p| p.as_oid().ok())
                .map(|o| o.to_id_string());
            match curve.as_deref() {
                Some("1.2.840.10045.3.1.7") => "a P-256 key in an unusual encoding".to_owned(),
                Some(curve) => format!("an ECDSA key on curve {curve}"),
                None => "an ECDSA key with its own curve parameters".to_owned(),
            }
        }
        other => format!("a key of algorithm {}", short(other)),
    }
}

/// What stands behind the request info when it is signed as it must be: the one algorithm and the
/// signature, DER. Comparing bytes refuses the odd encodings that the parser lets pass.
fn encode_signature(signature: &[u8]) -> Vec<u8> {
    // An ECDSA signature on P-256 has at most 72 bytes: one length byte is enough.
    let len = u8::try_from(signature.len() + 1).unwrap_or(u8::MAX);
    [&ECDSA_WITH_SHA256[..], &[0x03, len, 0x00], signature].concat()
}

/// A text of a stranger, cut.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
#[path = "csr_tests.rs"]
mod tests;
