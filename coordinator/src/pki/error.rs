//! What can go wrong with the authority's own files, and with issuing.

use std::path::PathBuf;

use h8lio_model::ids::FleetName;
use h8lio_tls::bundle::BundleError;
use h8lio_tls::files::FileError;
use jiff::Timestamp;

/// Why the certificate authority cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error(transparent)]
    File(FileError),
    #[error("{} does not hold exactly one certificate in PEM form; restore it from a backup", path.display())]
    NotACertificate { path: PathBuf },
    #[error("{} is not an ECDSA P-256 key in PEM form; restore it from a backup", path.display())]
    NotAKey { path: PathBuf },
    #[error("{} does not belong to {}; restore both from one backup", key.display(), certificate.display())]
    KeyMismatch { key: PathBuf, certificate: PathBuf },
    #[error("{} is not signed by {}; restore the folder from one backup", child.display(), parent.display())]
    ChainMismatch { child: PathBuf, parent: PathBuf },
    #[error("{} belongs to fleet {found:?}, but this coordinator is of fleet {expected}; check `fleet` and `pki` in the configuration", path.display())]
    OtherFleet {
        path: PathBuf,
        expected: FleetName,
        found: String,
    },
    #[error(
        "the issuing certificate expired at {at}; rotate the authority: h8lio-coordinator ca rotate begin"
    )]
    Expired { at: Timestamp },
    #[error(
        "the issuing certificate begins at {at}, which is in the future: this machine's clock is wrong, set it (chronyc makestep)"
    )]
    NotYetValid { at: Timestamp },
    #[error("the authority's certificates cannot be used as a trust bundle")]
    Bundle(#[source] BundleError),
    #[error("cannot make the authority's certificates")]
    Make(#[source] rcgen::Error),
}

impl AuthorityError {
    /// Whether it stays until a person does something about the files.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } => false,
            Self::File(_)
            | Self::NotACertificate { .. }
            | Self::NotAKey { .. }
            | Self::KeyMismatch { .. }
            | Self::ChainMismatch { .. }
            | Self::OtherFleet { .. }
            | Self::Bundle(_)
            | Self::Make(_) => true,
        }
    }
}

/// Why a certificate cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("the operating system gives no random numbers")]
    Random,
    #[error("the lifetime of {seconds} s cannot be expressed in a certificate that begins now")]
    Lifetime { seconds: u64 },
    #[error(
        "the issuing certificate ends at {at}: nothing can be issued; rotate the authority: h8lio-coordinator ca rotate begin"
    )]
    AuthorityExpired { at: Timestamp },
    #[error("cannot sign the certificate")]
    Sign(#[source] rcgen::Error),
    #[error("the coordinator's own key cannot be used")]
    OwnKey(#[source] h8lio_tls::identity::IdentityError),
}
