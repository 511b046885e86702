//! One generation of the authority: a root and the issuing certificate below it.

use std::path::Path;

use h8lio_model::ids::FleetName;
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use h8lio_tls::identity;

use super::authority::Authority;
use super::error::AuthorityError;
use super::files::{self, Folder};
use super::template::{self, AUTHORITY_LIFE, Level, Span};

/// A root and an issuing certificate with their keys, not yet written anywhere.
pub struct Generation {
    fleet: FleetName,
    number: u64,
    span: Span,
    root: CertificateDer<'static>,
    root_key: KeyPair,
    issuing: CertificateDer<'static>,
    issuing_key: KeyPair,
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Generation({} {})", self.fleet, self.number)
    }
}

impl Generation {
    /// Makes keys and certificates. `number` counts from 1 and must differ from the generation
    /// before: it is part of the names.
    ///
    /// # Errors
    /// [`AuthorityError::Make`].
    pub fn make(fleet: &FleetName, number: u64, now: Timestamp) -> Result<Self, AuthorityError> {
        let span =
            Span::from(now, AUTHORITY_LIFE).ok_or(AuthorityError::Make(rcgen::Error::Time))?;
        let root_key = key()?;
        let issuing_key = key()?;
        let root_params = template::authority(fleet, Level::Root, number, span);
        let root = root_params
            .self_signed(&root_key)
            .map_err(AuthorityError::Make)?;
        let issuing = template::authority(fleet, Level::Issuing, number, span)
            .signed_by(&issuing_key, &Issuer::from_params(&root_params, &root_key))
            .map_err(AuthorityError::Make)?;
        Ok(Self {
            fleet: fleet.clone(),
            number,
            span,
            root: root.into(),
            root_key,
            issuing: issuing.into(),
            issuing_key,
        })
    }

    /// This root as the old root `old` signs it: who trusts only `old` can follow.
    ///
    /// # Errors
    /// [`AuthorityError::Make`].
    pub fn cross_signed(
        &self,
        old: &CertificateDer<'_>,
        old_key: &KeyPair,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let issuer = Issuer::from_ca_cert_der(old, old_key).map_err(AuthorityError::Make)?;
        template::authority(&self.fleet, Level::Cross, self.number, self.span)
            .signed_by(&self.root_key, &issuer)
            .map(Into::into)
            .map_err(AuthorityError::Make)
    }

    /// Writes the four files into an existing folder.
    ///
    /// # Errors
    /// [`AuthorityError::File`].
    pub fn write(&self, pki: &Path) -> Result<(), AuthorityError> {
        let folder = Folder::new(pki);
        folder.write_key(files::ROOT_KEY, &self.root_key)?;
        folder.write_key(files::ISSUING_KEY, &self.issuing_key)?;
        folder.write_certificate(files::ROOT_CERTIFICATE, &self.root)?;
        folder.write_certificate(files::ISSUING_CERTIFICATE, &self.issuing)
    }

    /// The authority of this generation, without files.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn into_authority(self) -> Result<Authority, AuthorityError> {
        Authority::assemble(self.fleet, self.root, self.issuing, self.issuing_key, None)
    }
}

fn key() -> Result<KeyPair, AuthorityError> {
    identity::generate_key().map_err(|e| match e {
        identity::IdentityError::Make(cause) => AuthorityError::Make(cause),
        _ => AuthorityError::Make(rcgen::Error::RingUnspecified),
    })
}
