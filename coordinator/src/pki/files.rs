//! Where the authority keeps its certificates and keys.
//!
//! ```text
//! <pki>/root.crt       the root that new certificates lead to
//! <pki>/root.key       its key; needed only for a rotation, may be kept elsewhere
//! <pki>/issuing.crt    signs what the fleet uses
//! <pki>/issuing.key
//! <pki>/cross.crt      only while rotating: the new root, signed by the old one
//! <pki>/old-root.crt   only while rotating: trusted until the rotation is finished
//! ```

use std::path::{Path, PathBuf};

use h8lio_tls::bundle::{certificates_from_pem, certificates_to_pem};
use h8lio_tls::files::{self, FileError};
use h8lio_tls::identity;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;

use super::error::AuthorityError;

/// The names of the files in a pki folder.
pub const ROOT_CERTIFICATE: &str = "root.crt";
pub const ROOT_KEY: &str = "root.key";
pub const ISSUING_CERTIFICATE: &str = "issuing.crt";
pub const ISSUING_KEY: &str = "issuing.key";
/// The systemd credential that may stand in for [`ISSUING_KEY`].
pub const ISSUING_KEY_CREDENTIAL: &str = "h8lio.issuing-key";
pub const CROSS_CERTIFICATE: &str = "cross.crt";
pub const OLD_ROOT_CERTIFICATE: &str = "old-root.crt";

/// A pki folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`; nothing is read yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The path of one file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file with exactly one certificate.
    ///
    /// # Errors
    /// [`AuthorityError`] names the file.
    pub fn certificate(&self, name: &str) -> Result<CertificateDer<'static>, AuthorityError> {
        let path = self.file(name);
        let text = std::fs::read(&path)
            .map_err(|source| FileError::Read {
                path: path.clone(),
                source,
            })
            .map_err(AuthorityError::File)?;
        match certificates_from_pem(&text) {
            Ok(mut found) if found.len() == 1 => Ok(found.remove(0)),
            _ => Err(AuthorityError::NotACertificate { path }),
        }
    }

    /// As [`Folder::certificate`]; `None` when the file is not there.
    ///
    /// # Errors
    /// As [`Folder::certificate`].
    pub fn optional_certificate(
        &self,
        name: &str,
    ) -> Result<Option<CertificateDer<'static>>, AuthorityError> {
        match self.certificate(name) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(AuthorityError::File(e)) if e.is_missing() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Reads a private key.
    ///
    /// # Errors
    /// [`AuthorityError`]; also when others can read the file.
    pub fn key(&self, name: &str) -> Result<KeyPair, AuthorityError> {
        read_key(&self.file(name))
    }

    /// Reads the issuing key: from the folder, or from the credential `h8lio.issuing-key` that
    /// systemd loaded (`LoadCredential=`).
    ///
    /// # Errors
    /// As [`Folder::key`].
    pub fn issuing_key(&self) -> Result<KeyPair, AuthorityError> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|dir| Path::new(&dir).join(ISSUING_KEY_CREDENTIAL))
            .filter(|path| path.exists());
        match (self.key(ISSUING_KEY), credential) {
            (Err(AuthorityError::File(e)), Some(path)) if e.is_missing() => read_key(&path),
            (result, _) => result,
        }
    }

    /// Writes a certificate for everybody to read.
    ///
    /// # Errors
    /// [`AuthorityError::File`].
    pub fn write_certificate(
        &self,
        name: &str,
        certificate: &CertificateDer<'static>,
    ) -> Result<(), AuthorityError> {
        let pem = certificates_to_pem(std::slice::from_ref(certificate));
        files::write_atomic(&self.file(name), pem.as_bytes(), 0o644).map_err(AuthorityError::File)
    }

    /// Writes a key for its owner alone.
    ///
    /// # Errors
    /// [`AuthorityError::File`].
    pub fn write_key(&self, name: &str, key: &KeyPair) -> Result<(), AuthorityError> {
        let pem = identity::key_to_pem(key);
        files::write_private(&self.file(name), pem.as_bytes()).map_err(AuthorityError::File)
    }
}

/// Reads a P-256 key from PEM.
///
/// # Errors
/// [`AuthorityError`]; also when others can read the file.
pub fn read_key(path: &Path) -> Result<KeyPair, AuthorityError> {
    let text = files::read_private(path).map_err(AuthorityError::File)?;
    let not_a_key = || AuthorityError::NotAKey {
        path: path.to_owned(),
    };
    let text = std::str::from_utf8(&text).map_err(|_| not_a_key())?;
    identity::key_from_pem(text).map_err(|_| not_a_key())
}
