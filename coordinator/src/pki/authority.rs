//! Issues the certificates of a fleet.

use std::path::Path;
use std::time::Duration;

use h8lio_model::ids::{FleetName, NodeId, OperatorName, Rotation};
use h8lio_model::operator::OperatorRole;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::{self, Identity, IdentityError, Validity};
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::serial::Serial;
use h8lio_tls::spiffe::{self, SpiffeId, Subject};
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use super::check;
use super::csr::PublicKey;
use super::error::{AuthorityError, IssueError};
use super::files::{self, Folder};
use super::template::{self, Purpose, Span};
use crate::accept::tls::TicketSecret;

/// A certificate as issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Leaf first, then what leads to a root. The root is in the bundle.
    pub chain: Vec<CertificateDer<'static>>,
    pub serial: Serial,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Pin of the key that it was issued for.
    pub spki: SpkiPin,
    /// The generation of the authority that issued it.
    pub authority: u64,
}

/// The fleet's certificate authority as the running coordinator needs it: the issuing key and the
/// certificates. The root's key is not here.
pub struct Authority {
    fleet: FleetName,
    issuer: Issuer<'static, KeyPair>,
    issuing: CertificateDer<'static>,
    validity: Validity,
    root: CertificateDer<'static>,
    rotating: Option<Rotating>,
    bundle: TrustBundle,
    generation: u64,
}

/// What is there besides while the authority is being rotated.
#[derive(Debug)]
pub(super) struct Rotating {
    /// The new root, signed by the old one.
    pub(super) cross: CertificateDer<'static>,
    pub(super) old_root: CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Authority({}, until {})",
            self.fleet, self.validity.not_after
        )
    }
}

impl Authority {
    /// Reads and checks the folder that `init` made. `root.key` is not read and may be elsewhere.
    ///
    /// # Errors
    /// [`AuthorityError`] names the file and what to do.
    pub fn load(pki: &Path, fleet: &FleetName) -> Result<Self, AuthorityError> {
        let folder = Folder::new(pki);
        let root = folder.certificate(files::ROOT_CERTIFICATE)?;
        let issuing = folder.certificate(files::ISSUING_CERTIFICATE)?;
        let key = folder.issuing_key()?;
        let cross = folder.optional_certificate(files::CROSS_CERTIFICATE)?;
        let old_root = folder.optional_certificate(files::OLD_ROOT_CERTIFICATE)?;
        let named_root = (files::ROOT_CERTIFICATE, &root);
        let named_issuing = (files::ISSUING_CERTIFICATE, &issuing);
        check::of_fleet(&folder, named_root, fleet)?;
        check::signed_by(&folder, named_issuing, named_root)?;
        check::key_fits(&folder, (files::ISSUING_KEY, &key), named_issuing)?;
        let rotating = match (cross, old_root) {
            (Some(cross), Some(old_root)) => {
                let named_old = (files::OLD_ROOT_CERTIFICATE, &old_root);
                check::signed_by(&folder, (files::CROSS_CERTIFICATE, &cross), named_old)?;
                Some(Rotating { cross, old_root })
            }
            // Half of a rotation: begun or finished by hand. The old root alone would be trusted
            // without leading anybody to the new one.
            (Some(_), None) => {
                return Err(missing(&folder, files::OLD_ROOT_CERTIFICATE));
            }
            (None, Some(_)) => return Err(missing(&folder, files::CROSS_CERTIFICATE)),
            (None, None) => None,
        };
        Self::assemble(fleet.clone(), root, issuing, key, rotating)
    }

    /// Puts checked parts together.
    pub(super) fn assemble(
        fleet: FleetName,
        root: CertificateDer<'static>,
        issuing: CertificateDer<'static>,
        key: KeyPair,
        rotating: Option<Rotating>,
    ) -> Result<Self, AuthorityError> {
        let mut roots = vec![root.clone()];
        roots.extend(rotating.as_ref().map(|r| r.old_root.clone()));
        let bundle = TrustBundle::new(roots).map_err(AuthorityError::Bundle)?;
        let validity = Validity::of_certificate(&issuing)
            .map_err(|_| AuthorityError::Make(rcgen::Error::CouldNotParseCertificate))?;
        let generation = spiffe::parse(&issuing)
            .ok()
            .and_then(|c| template::generation(c.subject()))
            .unwrap_or(0);
        let issuer = Issuer::from_ca_cert_der(&issuing, key).map_err(AuthorityError::Make)?;
        Ok(Self {
            fleet,
            issuer,
            issuing,
            validity,
            root,
            rotating,
            bundle,
            generation,
        })
    }

    /// Whether the authority can issue at `now`.
    ///
    /// # Errors
    /// [`AuthorityError::Expired`], [`AuthorityError::NotYetValid`].
    pub fn check(&self, now: Timestamp) -> Result<(), AuthorityError> {
        let Validity {
            not_before,
            not_after,
        } = self.validity;
        if now < not_before {
            return Err(AuthorityError::NotYetValid { at: not_before });
        }
        if now >= not_after {
            return Err(AuthorityError::Expired { at: not_after });
        }
        Ok(())
    }

    /// The fleet.
    pub const fn fleet(&self) -> &FleetName {
        &self.fleet
    }

    /// The roots that everybody is to trust: two while the authority is being rotated.
    pub const fn bundle(&self) -> &TrustBundle {
        &self.bundle
    }

    /// Counts rotations, from 1.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether an old root is still trusted.
    pub const fn is_rotating(&self) -> bool {
        self.rotating.is_some()
    }

    /// From when until when the issuing certificate holds.
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// What TLS session tickets are sealed with, see [`TicketSecret`].
    pub fn ticket_secret(&self) -> TicketSecret {
        TicketSecret::derive(self.issuer.key().serialized_der())
    }

    /// The pin of the current root, for join tokens.
    pub fn pin(&self) -> SpkiPin {
        // Parsed when it was loaded; of_certificate cannot fail on it again.
        SpkiPin::of_certificate(&self.root).unwrap_or_else(|_| SpkiPin::of_spki(&self.root))
    }

    /// Issues a node's certificate for a key that [`super::csr::read`] has checked.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_node(
        &self,
        key: &PublicKey,
        node: NodeId,
        rotation: Rotation,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, IssueError> {
        self.issue(key, Subject::Node(node), rotation, now, lifetime)
    }

    /// Issues an operator's certificate.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_operator(
        &self,
        key: &PublicKey,
        name: &OperatorName,
        role: OperatorRole,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, IssueError> {
        let subject = Subject::Operator {
            name: name.clone(),
            role,
        };
        self.issue(key, subject, Rotation(0), now, lifetime)
    }

    /// Makes a fresh key and a server certificate for the coordinator `name`. The chain leads to
    /// the current root, to the old one while rotating, and contains the roots themselves: a
    /// server that joins knows only the pin of one of them.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_coordinator(
        &self,
        name: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Identity, IssueError> {
        let pair = identity::generate_key().map_err(IssueError::OwnKey)?;
        let wrong_curve = || IssueError::OwnKey(IdentityError::Key);
        let key = PublicKey::of_pair(&pair).ok_or_else(wrong_curve)?;
        let subject = Subject::Coordinator(name.to_owned());
        let mut chain = self.issue(&key, subject, Rotation(0), now, lifetime)?.chain;
        match &self.rotating {
            Some(r) => chain.extend([r.cross.clone(), self.root.clone(), r.old_root.clone()]),
            None => chain.push(self.root.clone()),
        }
        Identity::new(chain, identity::key_to_der(&pair)).map_err(IssueError::OwnKey)
    }

    fn issue(
        &self,
        key: &PublicKey,
        subject: Subject,
        rotation: Rotation,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, IssueError> {
        let purpose = match subject {
            Subject::Coordinator(_) => Purpose::Server,
            Subject::Node(_) | Subject::Operator { .. } => Purpose::Client,
        };
        let too_long = || IssueError::Lifetime {
            seconds: lifetime.as_secs(),
        };
        let end = self.validity.not_after;
        let span = Span::from(now, lifetime)
            .ok_or_else(too_long)?
            .ending_by(end);
        if span.not_after <= now {
            return Err(IssueError::AuthorityExpired { at: end });
        }
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| IssueError::Random)?;
        let serial = Serial::new(random, rotation);
        let id = SpiffeId {
            fleet: self.fleet.clone(),
            subject,
        };
        let leaf = template::leaf(&id, serial, purpose, span)
            .and_then(|params| params.signed_by(key, &self.issuer))
            .map_err(IssueError::Sign)?;
        Ok(Issued {
            chain: vec![leaf.into(), self.issuing.clone()],
            serial,
            not_before: span.not_before,
            not_after: span.not_after,
            spki: SpkiPin::of_spki(&key.spki()),
            authority: self.generation,
        })
    }
}

fn missing(folder: &Folder, name: &str) -> AuthorityError {
    AuthorityError::File(h8lio_tls::files::FileError::Read {
        path: folder.file(name),
        source: std::io::ErrorKind::NotFound.into(),
    })
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
