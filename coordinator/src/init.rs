//! First set-up: certificate authority, configuration and the first operator, all or nothing.
//!
//! Everything is built in `<dir>/.init` and moved into place, `coordinator.toml` last: a folder
//! without it is not set up. A crash leaves `.init` behind, by which the next run knows that the
//! rest of the folder is unfinished work of its own that nothing has ever used.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use h8lio_model::ids::{FleetName, OperatorName};
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_tls::bundle::{TrustBundle, certificates_to_pem};
use h8lio_tls::files::{self, FileError};
use h8lio_tls::identity::{self, IdentityError};
use h8lio_tls::pin::SpkiPin;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::{self, ConfigError, Settings};
use crate::pki::Issued;
use crate::pki::csr::PublicKey;
use crate::pki::error::{AuthorityError, IssueError};
use crate::pki::generation::Generation;

/// The configuration's name in the folder.
pub const CONFIG: &str = "coordinator.toml";

/// The first operator, for the store of a coordinator that starts for the first time. Lies beside
/// the store.
pub const BOOTSTRAP_OPERATOR: &str = "bootstrap-operator.json";

/// The folder of unfinished work.
const WORK: &str = ".init";

/// What to set up.
#[derive(Debug, Clone)]
pub struct Init {
    pub dir: PathBuf,
    pub fleet: FleetName,
    pub listen: SocketAddr,
    /// `host:port`; may be empty when `listen` is one address.
    pub advertise: Vec<String>,
    pub name: OperatorName,
    /// Where Prometheus may ask, or `off`; the default of the example when not given.
    pub metrics: Option<String>,
    pub operator: OperatorName,
    /// Where the operator's context file goes.
    pub context_out: PathBuf,
}

/// What was set up.
#[derive(Debug)]
pub struct Initialized {
    pub config: PathBuf,
    pub pin: SpkiPin,
    pub addresses: Vec<String>,
    pub operator_expires: Timestamp,
}

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("{} is not empty (it has {found}); nothing was changed. Choose another --dir, or move it away if it is not needed", dir.display())]
    NotEmpty { dir: PathBuf, found: String },
    #[error("{} exists and is not overwritten; choose another --context-out", path.display())]
    ContextExists { path: PathBuf },
    #[error("these settings do not work")]
    Settings(#[source] ConfigError),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("cannot make the operator's key")]
    Key(#[source] IdentityError),
}

/// An operator's context file, as `h8lctl context import` reads it.
#[derive(Debug, Serialize)]
struct Context<'a> {
    name: &'a str,
    fleet: &'a str,
    addresses: &'a [String],
    ca: &'a str,
    certificate: &'a str,
    key: &'a str,
}

/// Sets up a coordinator.
///
/// # Errors
/// [`InitError`]; the folder and the context file are then as they were before.
pub fn init(request: &Init, now: Timestamp) -> Result<Initialized, InitError> {
    let (text, settings) = settings(request)?;
    if request.context_out.symlink_metadata().is_ok() {
        return Err(InitError::ContextExists {
            path: request.context_out.clone(),
        });
    }
    prepare(&request.dir)?;
    let result = build(request, &text, &settings, now);
    if result.is_err() {
        // What cannot be removed now is recognised by `.init` next time.
        let _ = clean(&request.dir);
    }
    result
}

/// The example file with this request's values, and what it means.
fn settings(request: &Init) -> Result<(String, Settings), InitError> {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let advertise = toml::Value::from(request.advertise.clone()).to_string();
    let text: String = config::EXAMPLE
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("fleet", _)) => format!("fleet = {}\n", quoted(request.fleet.as_str())),
            Some(("listen", _)) => format!("listen = {}\n", quoted(&request.listen.to_string())),
            Some(("advertise", _)) => format!("advertise = {advertise}\n"),
            Some(("name", _)) => format!("name = {}\n", quoted(request.name.as_str())),
            Some(("metrics", _)) if request.metrics.is_some() => {
                let metrics = request.metrics.as_deref().unwrap_or_default();
                format!("metrics = {}\n", quoted(metrics))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let settings = config::parse(&request.dir.join(CONFIG), &text).map_err(InitError::Settings)?;
    Ok((text, settings))
}

/// Makes the folder and the work folder in it; clears what a crash left.
fn prepare(dir: &Path) -> Result<(), InitError> {
    let wrap = |source| InitError::Write {
        path: dir.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(wrap)?;
    if dir.join(WORK).exists() && !dir.join(CONFIG).exists() {
        clean(dir).map_err(wrap)?;
    }
    let found: Vec<fs::DirEntry> = fs::read_dir(dir).and_then(|d| d.collect()).map_err(wrap)?;
    // The name that says most: the configuration, else any.
    if let Some(entry) = found
        .iter()
        .find(|e| e.file_name() == CONFIG)
        .or(found.first())
    {
        let found = entry.file_name().to_string_lossy().into_owned();
        return Err(InitError::NotEmpty {
            dir: dir.to_owned(),
            found,
        });
    }
    make_private_dir(&dir.join(WORK))?;
    sync(dir)
}

/// Removes unfinished work, `.init` last.
fn clean(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == WORK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(dir.join(WORK))
}

fn build(
    request: &Init,
    config_text: &str,
    settings: &Settings,
    now: Timestamp,
) -> Result<Initialized, InitError> {
    let work = request.dir.join(WORK);
    make_private_dir(&work.join("pki"))?;
    let generation = Generation::make(&request.fleet, 1, now)?;
    generation.write(&work.join("pki"))?;
    let authority = generation.into_authority()?;

    let pair = identity::generate_key().map_err(InitError::Key)?;
    let key = PublicKey::of_pair(&pair).ok_or(InitError::Key(IdentityError::Key))?;
    let life = settings.certificates.operator;
    let issued =
        authority.issue_operator(&key, &request.operator, OperatorRole::Admin, now, life)?;
    let operator = Operator {
        name: request.operator.clone(),
        role: OperatorRole::Admin,
        certificate_serial: issued.serial.to_string(),
        created_at: now,
        expires_at: issued.not_after,
        revoked_at: None,
    };
    // Names, numbers and times only: this form always exists.
    let json = serde_json::to_vec_pretty(&operator).unwrap_or_default();
    files::write_private(&work.join(BOOTSTRAP_OPERATOR), &json)?;
    files::write_private(&work.join(CONFIG), config_text.as_bytes())?;

    let (out, pem) = (&request.context_out, identity::key_to_pem(&pair));
    write_context(settings, authority.bundle(), &issued, &pem, out)?;
    if let Err(e) = move_into_place(&request.dir) {
        let _ = fs::remove_file(&request.context_out);
        return Err(e);
    }
    Ok(Initialized {
        config: request.dir.join(CONFIG),
        pin: authority.pin(),
        addresses: settings.addresses(),
        operator_expires: issued.not_after,
    })
}

/// Writes an operator's context file, which must not exist.
pub(crate) fn write_context(
    settings: &Settings,
    bundle: &TrustBundle,
    issued: &Issued,
    key: &str,
    out: &Path,
) -> Result<(), InitError> {
    let context = toml::to_string(&Context {
        name: settings.fleet.as_str(),
        fleet: settings.fleet.as_str(),
        addresses: &settings.addresses(),
        ca: &bundle.to_pem(),
        certificate: &certificates_to_pem(&issued.chain),
        key,
    })
    .unwrap_or_default();
    write_new(out, context.as_bytes())
}

/// `coordinator.toml` last: it is what makes the folder a set-up one.
fn move_into_place(dir: &Path) -> Result<(), InitError> {
    let work = dir.join(WORK);
    // An administrator sets up what a service user will own.
    crate::ownership::give_to_owner_of(dir, &work).map_err(|source| InitError::Write {
        path: work.clone(),
        source,
    })?;
    for name in ["pki", BOOTSTRAP_OPERATOR, CONFIG] {
        let path = dir.join(name);
        fs::rename(work.join(name), &path).map_err(|source| InitError::Write { path, source })?;
        sync(dir)?;
    }
    // Set up already; an empty folder left behind does no harm.
    let _ = fs::remove_dir(&work);
    Ok(())
}

/// Writes a private file that must not exist, whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), InitError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".init");
    let temporary = path.with_file_name(name);
    files::write_private(&temporary, bytes)?;
    // A hard link, unlike a rename, never replaces what is there.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    linked.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => InitError::ContextExists {
            path: path.to_owned(),
        },
        _ => InitError::Write {
            path: path.to_owned(),
            source,
        },
    })
}

fn make_private_dir(path: &Path) -> Result<(), InitError> {
    let wrap = |source| InitError::Write {
        path: path.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(wrap)?;
    // Whatever the umask was.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(wrap)
}

fn sync(dir: &Path) -> Result<(), InitError> {
    fs::File::open(dir)
        .and_then(|f| f.sync_all())
        .map_err(|source| InitError::Write {
            path: dir.to_owned(),
            source,
        })
}

/// Reads the first operator that [`init`] left for the store; `None` once
/// [`forget_bootstrap_operator`] was called.
///
/// # Errors
/// When the file is damaged or others can read it.
pub fn bootstrap_operator(settings: &Settings) -> Result<Option<Operator>, BootstrapError> {
    let path = settings.store.with_file_name(BOOTSTRAP_OPERATOR);
    match files::read_private(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| BootstrapError::Damaged { path, source }),
        Err(e) if e.is_missing() => Ok(None),
        Err(e) => Err(BootstrapError::File(e)),
    }
}

/// Removes the file once the operator is in the store. Importing twice must be harmless: a crash
/// may fall between the two.
///
/// # Errors
/// When the file cannot be removed.
pub fn forget_bootstrap_operator(settings: &Settings) -> io::Result<()> {
    match fs::remove_file(settings.store.with_file_name(BOOTSTRAP_OPERATOR)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Why the first operator cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    File(FileError),
    #[error("{} is damaged; if an operator can log in, remove it, else restore it from a backup", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
