//! Rotates the authority without cutting anybody off.
//!
//! `begin` makes a new root and issuing key. The old root signs the new one, so peers that know
//! only the old root can follow; the trust bundle holds both, so certificates of the old authority
//! stay good. From then on everything is issued by the new one, and the coordinator tells the
//! agents to fetch bundle and certificate. `finish` drops the old root, once nobody needs it.
//!
//! Each change is a new pki folder, complete, that is exchanged with the old one in one step of
//! the file system: a crash leaves the one or the other. A coordinator that runs picks it up.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use h8lio_model::ids::FleetName;
use h8lio_model::section::Digest;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::files as private;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::spiffe;
use jiff::Timestamp;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};

use super::acknowledge::{Acknowledgements, Waiting};
use super::authority::Authority;
use super::check;
use super::error::AuthorityError;
use super::files::{self, Folder};
use super::generation::Generation;
use super::template;
use crate::ownership::give_to_owner_of;

/// When the rotation began, beside the certificates.
const STATE: &str = "rotation.json";

/// Why the authority was not rotated; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(
        "a rotation is under way since {since}; finish it first (h8lio-coordinator ca rotate finish)"
    )]
    UnderWay { since: Timestamp },
    #[error("no rotation is under way; nothing to finish")]
    NotRotating,
    #[error("the root's key is needed and {} is not there; bring it back for this, or name it with --root-key", path.display())]
    NoRootKey { path: PathBuf },
    #[error("the coordinator has not yet written who has the new bundle ({}); start it and wait for the agents", path.display())]
    NoReport { path: PathBuf },
    #[error("{} of {known} would be cut off for good: {}; wait for them, or accept it with --accept-loss {}", .waiting.len(), name_some(.waiting), .waiting.len())]
    StillWaiting { known: usize, waiting: Vec<Waiting> },
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is damaged; restore it from a backup", path.display())]
    Damaged { path: PathBuf },
    #[error("cannot exchange {} with the folder made beside it; both must be on one file system that can do so (ext4, xfs, btrfs, tmpfs)", path.display())]
    Exchange {
        path: PathBuf,
        #[source]
        source: nix::Error,
    },
}

impl RotationError {
    /// Whether trying again changes nothing: files are missing or wrong.
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Authority(inner) => inner.is_permanent(),
            _ => false,
        }
    }
}

/// Up to five names.
fn name_some(waiting: &[Waiting]) -> String {
    let names: Vec<&str> = waiting.iter().take(5).map(|w| w.name.as_str()).collect();
    let more = waiting.len().saturating_sub(names.len());
    let names = names.join(", ");
    if more == 0 {
        names
    } else {
        format!("{names} and {more} more")
    }
}

/// What is written about a rotation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnderWay {
    /// Certificates issued before this are of the old authority.
    pub begun_at: Timestamp,
    /// Digest of the bundle with both roots.
    pub bundle: Digest,
}

/// Where the authority stands.
#[derive(Debug)]
pub struct Status {
    pub fleet: FleetName,
    pub pin: SpkiPin,
    pub issuing_until: Timestamp,
    pub under_way: Option<UnderWay>,
    /// The coordinator's last report about the bundle in use.
    pub report: Option<Acknowledgements>,
}

/// Begins a rotation: new root, new issuing key, both roots trusted.
///
/// # Errors
/// [`RotationError`].
pub fn begin(
    pki: &Path,
    fleet: &FleetName,
    root_key: Option<&Path>,
    now: Timestamp,
) -> Result<UnderWay, RotationError> {
    if let Some(UnderWay {
        begun_at: since, ..
    }) = under_way(pki)?
    {
        return Err(RotationError::UnderWay { since });
    }
    let folder = Folder::new(pki);
    let old = folder.certificate(files::ROOT_CERTIFICATE)?;
    let named = (files::ROOT_CERTIFICATE, &old);
    check::of_fleet(&folder, named, fleet)?;
    let path = root_key.map_or_else(|| folder.file(files::ROOT_KEY), Path::to_owned);
    let key = match files::read_key(&path) {
        Err(AuthorityError::File(e)) if e.is_missing() => {
            return Err(RotationError::NoRootKey { path });
        }
        other => other?,
    };
    check::key_fits(&folder, (files::ROOT_KEY, &key), named)?;

    let generation = Generation::make(fleet, number(&old) + 1, now)?;
    let cross = generation.cross_signed(&old, &key)?;
    let next = prepare(pki)?;
    generation.write(&next)?;
    let folder = Folder::new(&next);
    folder.write_certificate(files::CROSS_CERTIFICATE, &cross)?;
    folder.write_certificate(files::OLD_ROOT_CERTIFICATE, &old)?;
    let bundle = Authority::load(&next, fleet)?.bundle().digest();
    let state = UnderWay {
        begun_at: now,
        bundle,
    };
    // A time and a digest: this form always exists.
    let json = serde_json::to_vec_pretty(&state).unwrap_or_default();
    private::write_private(&next.join(STATE), &json).map_err(AuthorityError::File)?;
    exchange(pki, &next)?;
    // The way back, should it be needed before the end: also the only copy of the old keys.
    let before = beside(pki, "before-rotation");
    let _ = fs::remove_dir_all(&before);
    rename(&next, &before)?;
    Ok(state)
}

/// Ends a rotation: the old root is trusted no longer. `report` is the coordinator's last word
/// about who is ready; see [`Acknowledgements`].
///
/// # Errors
/// [`RotationError::StillWaiting`] when more than `accept_loss` would be cut off; others.
pub fn finish(
    pki: &Path,
    fleet: &FleetName,
    report_path: &Path,
    accept_loss: usize,
) -> Result<TrustBundle, RotationError> {
    let state = under_way(pki)?.ok_or(RotationError::NotRotating)?;
    let report = read_report(report_path)?
        .filter(|r| r.bundle == state.bundle)
        .ok_or_else(|| RotationError::NoReport {
            path: report_path.to_owned(),
        })?;
    if report.waiting.len() > accept_loss {
        let Acknowledgements { known, waiting, .. } = report;
        return Err(RotationError::StillWaiting { known, waiting });
    }
    let next = prepare(pki)?;
    for name in [
        files::ROOT_CERTIFICATE,
        files::ROOT_KEY,
        files::ISSUING_CERTIFICATE,
        files::ISSUING_KEY,
    ] {
        copy(&pki.join(name), &next.join(name), name == files::ROOT_KEY)?;
    }
    let authority = Authority::load(&next, fleet)?;
    exchange(pki, &next)?;
    // Old keys are worth nothing now and should not lie around.
    for old in [next, beside(pki, "before-rotation")] {
        match fs::remove_dir_all(&old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(RotationError::Write {
                    path: old,
                    source: e,
                });
            }
            _ => {}
        }
    }
    Ok(authority.bundle().clone())
}

/// Where the authority stands.
///
/// # Errors
/// When its files are damaged.
pub fn status(pki: &Path, fleet: &FleetName, report_path: &Path) -> Result<Status, RotationError> {
    let authority = Authority::load(pki, fleet)?;
    let bundle = authority.bundle().digest();
    Ok(Status {
        fleet: fleet.clone(),
        pin: authority.pin(),
        issuing_until: authority.validity().not_after,
        under_way: under_way(pki)?,
        report: read_report(report_path)?.filter(|r| r.bundle == bundle),
    })
}

/// The rotation under way in a pki folder.
///
/// # Errors
/// [`RotationError::Damaged`].
pub fn under_way(pki: &Path) -> Result<Option<UnderWay>, RotationError> {
    let path = pki.join(STATE);
    match private::read_private(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| RotationError::Damaged { path }),
        Err(e) if e.is_missing() => Ok(None),
        Err(e) => Err(AuthorityError::File(e).into()),
    }
}

fn read_report(path: &Path) -> Result<Option<Acknowledgements>, RotationError> {
    match Acknowledgements::read(path) {
        Ok(report) => Ok(report),
        Err(_) => Err(RotationError::Damaged {
            path: path.to_owned(),
        }),
    }
}

/// The generation of a root, from its name; 1 when it is not told.
fn number(root: &[u8]) -> u64 {
    spiffe::parse(root)
        .ok()
        .and_then(|c| template::generation(c.subject()))
        .unwrap_or(1)
}

/// An empty folder beside the pki folder; what a crash left there is removed.
fn prepare(pki: &Path) -> Result<PathBuf, RotationError> {
    let next = beside(pki, "next");
    let make = || {
        match fs::remove_dir_all(&next) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&next)
    };
    make().map_err(|source| RotationError::Write {
        path: next.clone(),
        source,
    })?;
    Ok(next)
}

fn beside(pki: &Path, suffix: &str) -> PathBuf {
    let mut name = pki.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    pki.with_file_name(name)
}

/// Puts `next` in the place of `pki`, and the other way round, in one step.
fn exchange(pki: &Path, next: &Path) -> Result<(), RotationError> {
    let wrap = |source| RotationError::Write {
        path: next.to_owned(),
        source,
    };
    give_to_owner_of(pki, next).map_err(wrap)?;
    renameat2(AT_FDCWD, pki, AT_FDCWD, next, RenameFlags::RENAME_EXCHANGE).map_err(|source| {
        RotationError::Exchange {
            path: pki.to_owned(),
            source,
        }
    })?;
    sync_parent(pki)
}

fn rename(from: &Path, to: &Path) -> Result<(), RotationError> {
    fs::rename(from, to).map_err(|source| RotationError::Write {
        path: to.to_owned(),
        source,
    })?;
    sync_parent(to)
}

fn sync_parent(path: &Path) -> Result<(), RotationError> {
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    fs::File::open(parent)
        .and_then(|f| f.sync_all())
        .map_err(|source| RotationError::Write {
            path: parent.to_owned(),
            source,
        })
}

/// Copies one file of the folder; `may_miss` for the root's key, which may be elsewhere.
fn copy(from: &Path, to: &Path, may_miss: bool) -> Result<(), RotationError> {
    let wrap = |source| RotationError::Write {
        path: to.to_owned(),
        source,
    };
    let bytes = match fs::read(from) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(e) if may_miss && e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(wrap(e)),
    };
    let public = to.extension().is_some_and(|e| e == "crt");
    let mode = if public { 0o644 } else { 0o600 };
    private::write_atomic(to, &bytes, mode).map_err(|e| AuthorityError::File(e).into())
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
