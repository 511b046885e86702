//! The authority of a coordinator that runs: reloaded when its files change, its own certificate
//! renewed in time, everybody who needs the trust bundle told.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::{Identity, Validity};
use jiff::Timestamp;
use tokio::sync::watch;

use super::AuthorityCell;
use super::authority::Authority;
use super::error::{AuthorityError, IssueError};
use super::files;
use super::rotation::{self, RotationError, UnderWay};
use crate::accept::tls::LiveTls;
use crate::clock::Clock;
use crate::config::Settings;

/// How often files and certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why the authority cannot be used, or not be reloaded.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
    #[error("the coordinator's certificate cannot be used for TLS")]
    Tls(#[from] rustls::Error),
}

impl LiveError {
    /// Whether trying again changes nothing: files are missing or wrong.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Authority(inner) => inner.is_permanent(),
            Self::Rotation(inner) => inner.is_permanent(),
            Self::Issue(_) | Self::Tls(_) => false,
        }
    }
}

/// The authority, live.
#[derive(Debug)]
pub struct LivePki {
    pki: PathBuf,
    name: String,
    fleet: h8lio_model::ids::FleetName,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    authority: AuthorityCell,
    tls: Arc<LiveTls>,
    bundle: watch::Sender<Arc<TrustBundle>>,
    seen: Mutex<Seen>,
}

/// What was looked at last.
#[derive(Debug)]
struct Seen {
    own: Validity,
    files: Fingerprint,
    under_way: Option<UnderWay>,
}

impl LivePki {
    /// Loads the authority and issues the coordinator's own certificate, which lives in memory
    /// only: each start has a fresh one.
    ///
    /// # Errors
    /// [`LiveError`], one line for the operator.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, LiveError> {
        let fingerprint = Fingerprint::of(&settings.pki);
        let authority = Authority::load(&settings.pki, &settings.fleet)?;
        let now = clock.now();
        authority.check(now)?;
        let lifetime = settings.certificates.coordinator;
        let own = authority.issue_coordinator(settings.name.as_str(), now, lifetime)?;
        let bundle = authority.bundle().clone();
        let secret = authority.ticket_secret();
        let tls = LiveTls::new(
            settings.fleet.clone(),
            &own,
            bundle.clone(),
            secret,
            Arc::clone(&clock),
        )?;
        let under_way = rotation::under_way(&settings.pki)?;
        Ok(Arc::new(Self {
            pki: settings.pki.clone(),
            name: settings.name.to_string(),
            fleet: settings.fleet.clone(),
            lifetime,
            clock,
            authority: Arc::new(arc_swap::ArcSwap::from_pointee(authority)),
            tls: Arc::new(tls),
            bundle: watch::Sender::new(Arc::new(bundle)),
            seen: Mutex::new(Seen {
                own: own.validity(),
                files: fingerprint,
                under_way,
            }),
        }))
    }

    /// The authority as it is now; ask again for each certificate.
    pub fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }

    /// The cell that always holds the current authority.
    pub fn cell(&self) -> AuthorityCell {
        Arc::clone(&self.authority)
    }

    /// TLS for the acceptor; follows every change by itself.
    pub fn tls(&self) -> Arc<LiveTls> {
        Arc::clone(&self.tls)
    }

    /// The trust bundle, and each later one: to be sent to the agents.
    pub fn subscribe_bundle(&self) -> watch::Receiver<Arc<TrustBundle>> {
        self.bundle.subscribe()
    }

    /// The rotation under way: certificates issued before it began should be renewed now.
    pub fn under_way(&self) -> Option<UnderWay> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .under_way
    }

    /// Reads the files again if they changed; says whether they did.
    ///
    /// # Errors
    /// [`LiveError`]; everything stays as it was, and the next call tries again.
    pub fn reload(&self) -> Result<bool, LiveError> {
        let files = Fingerprint::of(&self.pki);
        if files
            == self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .files
        {
            return Ok(false);
        }
        let loaded = Authority::load(&self.pki, &self.fleet)
            .map_err(LiveError::from)
            .and_then(|a| Ok((a, rotation::under_way(&self.pki)?)));
        let (authority, under_way) = match loaded {
            // Exchanged while it was read: half of the one, half of the other. Next time.
            Err(_) if files != Fingerprint::of(&self.pki) => return Ok(false),
            other => other?,
        };
        let now = self.clock.now();
        authority.check(now)?;
        let own = self.issue_own(&authority, now)?;
        // The own certificate first: who trusts only the new bundle must not meet the old chain.
        self.tls.show(&own)?;
        self.tls
            .trust(authority.bundle().clone(), authority.ticket_secret());
        let bundle = Arc::new(authority.bundle().clone());
        self.authority.store(Arc::new(authority));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            own: own.validity(),
            files,
            under_way,
        };
        tracing::info!(
            roots = bundle.roots().len(),
            "the certificate authority was read again"
        );
        self.bundle.send_if_modified(|current| {
            let changed = **current != *bundle;
            *current = bundle;
            changed
        });
        Ok(true)
    }

    /// Renews the coordinator's own certificate when half of its life is over, or when it begins in
    /// the future: this clock was ahead and was set right. Says whether it did. Connections go on
    /// with the old one.
    ///
    /// # Errors
    /// [`LiveError`]; the old certificate stays.
    pub fn renew_own(&self) -> Result<bool, LiveError> {
        let now = self.clock.now();
        let own = self.seen.lock().unwrap_or_else(PoisonError::into_inner).own;
        if own.not_before <= now && now < own.half_life() {
            return Ok(false);
        }
        let own = self.issue_own(&self.authority.load(), now)?;
        self.tls.show(&own)?;
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).own = own.validity();
        Ok(true)
    }

    fn issue_own(&self, authority: &Authority, now: Timestamp) -> Result<Identity, LiveError> {
        Ok(authority.issue_coordinator(&self.name, now, self.lifetime)?)
    }

    /// Looks after all of it for ever, every five seconds.
    pub async fn run(self: Arc<Self>) {
        let mut failed = String::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.look() {
                Ok(()) => failed.clear(),
                Err(e) => {
                    let text = e.to_string();
                    // Once for each cause, not every five seconds.
                    if text != failed {
                        tracing::error!(
                            "the certificate authority cannot be read again and stays as it was: {text}"
                        );
                        failed = text;
                    }
                }
            }
        }
    }

    fn look(&self) -> Result<(), LiveError> {
        self.reload()?;
        if self.renew_own()? {
            tracing::info!("the coordinator's own certificate was renewed");
        }
        Ok(())
    }
}

/// Enough of the files to notice a change: each is replaced, never written in place.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint(Vec<Option<(u64, u64, SystemTime)>>);

impl Fingerprint {
    fn of(pki: &Path) -> Self {
        let names = [
            files::ROOT_CERTIFICATE,
            files::ISSUING_CERTIFICATE,
            files::ISSUING_KEY,
            files::CROSS_CERTIFICATE,
            files::OLD_ROOT_CERTIFICATE,
        ];
        let look = |name: &str| {
            use std::os::unix::fs::MetadataExt;
            let meta = std::fs::metadata(pki.join(name)).ok()?;
            Some((meta.ino(), meta.len(), meta.modified().ok()?))
        };
        Self(names.into_iter().map(look).collect())
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
