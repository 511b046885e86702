//! Keeps the identity in memory and on disk in step.
//!
//! A renewed credential goes through three states: *next* on disk (fsynced) → used → *current*.
//! After a crash the agent goes on with *next*: a coordinator that has acknowledged it would take
//! the older one for a clone. Only when a coordinator refuses *next* as a certificate, so that it
//! cannot have been acknowledged, does the agent fall back to *current*.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use h8lio_model::ids::{FleetName, NodeId, NodeName};
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::files::FileError;
use h8lio_tls::identity::Identity;
use h8lio_tls::serial::Serial;
use tokio::sync::watch;

use super::Disk;
use super::authority::Issued;
use super::document::{Document, DocumentError};

/// What a session needs to know about this server; one consistent reading.
#[derive(Debug)]
pub struct Member {
    pub fleet: FleetName,
    pub id: NodeId,
    pub name: NodeName,
    /// Addresses that came with the join token.
    pub coordinators: Vec<String>,
    pub bundle: TrustBundle,
    /// The one to use now.
    pub identity: Arc<Identity>,
    /// No coordinator has acknowledged `identity` yet.
    pub unacknowledged: bool,
}

/// Why a change was not kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the identity could not be saved")]
    Save(#[source] FileError),
    #[error("the new certificate cannot be used")]
    Unusable(#[source] DocumentError),
    #[error("the new certificate is for {found}, not for {expected}; it is not used")]
    NotOurs { expected: String, found: String },
}

/// The only writer of `identity.json` while the agent runs. Methods that change something block
/// on the disk; call them on a blocking thread.
#[derive(Debug)]
pub struct Vault {
    disk: Arc<dyn Disk>,
    kept: Mutex<Document>,
    published: watch::Sender<Arc<Member>>,
}

impl Vault {
    /// Opens what was kept; `None`: not enrolled.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn open(disk: Arc<dyn Disk>) -> Result<Option<Self>, DocumentError> {
        let Some(document) = Document::load(disk.as_ref())? else {
            return Ok(None);
        };
        let member = Arc::new(member(&document)?);
        Ok(Some(Self {
            disk,
            kept: Mutex::new(document),
            published: watch::Sender::new(member),
        }))
    }

    /// The identity to use now. Never blocks.
    pub fn member(&self) -> Arc<Member> {
        self.published.borrow().clone()
    }

    /// Follows changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Member>> {
        self.published.subscribe()
    }

    /// Keeps a freshly issued credential and the roots that came with it, then publishes both for
    /// use.
    ///
    /// # Errors
    /// [`VaultError`]; the identity in use stays.
    pub fn keep_next(&self, issued: Issued) -> Result<(), VaultError> {
        let fresh = issued
            .credential
            .identity()
            .map_err(|e| VaultError::Unusable(DocumentError::Credential(e)))?;
        let ours = self.member();
        if fresh.spiffe() != ours.identity.spiffe() {
            return Err(VaultError::NotOurs {
                expected: ours.identity.spiffe().to_string(),
                found: fresh.spiffe().to_string(),
            });
        }
        self.change(|d| {
            d.next = Some(issued.credential);
            d.trust = issued.bundle.to_pem();
        })
    }

    /// A coordinator welcomed `serial`: if it is the next credential, it becomes the current one.
    ///
    /// # Errors
    /// [`VaultError::Save`]; then the next start finds it as *next* again, which is as good.
    pub fn acknowledge(&self, serial: Serial) -> Result<(), VaultError> {
        let member = self.member();
        if !member.unacknowledged || member.identity.serial() != serial {
            return Ok(());
        }
        self.change(|d| {
            if let Some(next) = d.next.take() {
                d.current = next;
            }
        })
    }

    /// A coordinator refused `serial` as a certificate: if it is the next credential, go back to
    /// the current one. Answers whether it did.
    ///
    /// # Errors
    /// [`VaultError::Save`].
    pub fn give_up_next(&self, serial: Serial) -> Result<bool, VaultError> {
        let member = self.member();
        if !member.unacknowledged || member.identity.serial() != serial {
            return Ok(false);
        }
        self.change(|d| d.next = None).map(|()| true)
    }

    /// Keeps new roots, then publishes them for new connections.
    ///
    /// # Errors
    /// [`VaultError::Save`]; the old roots stay in use.
    pub fn adopt_bundle(&self, bundle: &TrustBundle) -> Result<(), VaultError> {
        if self.member().bundle.digest() == bundle.digest() {
            return Ok(());
        }
        self.change(|d| d.trust = bundle.to_pem())
    }

    /// Disk first, then memory: nothing is used that a crash could lose.
    fn change(&self, edit: impl FnOnce(&mut Document)) -> Result<(), VaultError> {
        let mut kept = self.lock();
        let mut edited = kept.clone();
        edit(&mut edited);
        let published = member(&edited).map_err(VaultError::Unusable)?;
        edited.save(self.disk.as_ref()).map_err(VaultError::Save)?;
        *kept = edited;
        self.published.send_replace(Arc::new(published));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Document> {
        // The document is replaced whole, so a panic elsewhere leaves it consistent.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn member(d: &Document) -> Result<Member, DocumentError> {
    let credential = d.next.as_ref().unwrap_or(&d.current);
    let identity = credential.identity().map_err(DocumentError::Credential)?;
    Ok(Member {
        fleet: d.fleet.clone(),
        id: d.node_id,
        name: d.node_name.clone(),
        coordinators: d.coordinators.clone(),
        bundle: d.bundle()?,
        identity: Arc::new(identity),
        unacknowledged: d.next.is_some(),
    })
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
