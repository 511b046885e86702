//! Do the files in the pki folder belong together?

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use h8lio_model::ids::FleetName;
use h8lio_tls::spiffe;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;

use super::error::AuthorityError;
use super::files::Folder;

/// Checks that `key` is the private half of `certificate`.
pub(super) fn key_fits(
    folder: &Folder,
    (key_name, key): (&str, &KeyPair),
    (name, certificate): (&str, &CertificateDer<'_>),
) -> Result<(), AuthorityError> {
    let fits = spiffe::parse(certificate)
        .is_ok_and(|c| c.tbs_certificate.subject_pki.raw == key.subject_public_key_info());
    if fits {
        return Ok(());
    }
    Err(AuthorityError::KeyMismatch {
        key: folder.file(key_name),
        certificate: folder.file(name),
    })
}

/// Checks that `child` was signed by `parent`.
pub(super) fn signed_by(
    folder: &Folder,
    (child_name, child): (&str, &CertificateDer<'_>),
    (parent_name, parent): (&str, &CertificateDer<'_>),
) -> Result<(), AuthorityError> {
    if is_signed_by(child, parent) {
        return Ok(());
    }
    Err(AuthorityError::ChainMismatch {
        child: folder.file(child_name),
        parent: folder.file(parent_name),
    })
}

fn is_signed_by(child: &[u8], parent: &[u8]) -> bool {
    let (Ok(child), Ok(parent)) = (spiffe::parse(child), spiffe::parse(parent)) else {
        return false;
    };
    let point = &parent.tbs_certificate.subject_pki.subject_public_key.data;
    child.issuer().as_raw() == parent.subject().as_raw()
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(child.tbs_certificate.as_ref(), &child.signature_value.data)
            .is_ok()
}

/// Checks that the root was made for `fleet` (the organisation in its name).
pub(super) fn of_fleet(
    folder: &Folder,
    (name, root): (&str, &CertificateDer<'_>),
    fleet: &FleetName,
) -> Result<(), AuthorityError> {
    let path = folder.file(name);
    let Ok(certificate) = spiffe::parse(root) else {
        return Err(AuthorityError::NotACertificate { path });
    };
    let organisation = certificate.subject().iter_organization().next();
    let found = organisation
        .and_then(|o| o.as_str().ok())
        .unwrap_or_default();
    if found == fleet.as_str() {
        return Ok(());
    }
    Err(AuthorityError::OtherFleet {
        path,
        expected: fleet.clone(),
        found: found.to_owned(),
    })
}
