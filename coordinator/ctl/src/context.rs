//! Contexts: to which fleet, as which operator.
//!
//! A context file is TOML with `name`, `fleet`, `addresses`, `ca`, `certificate` and `key` (PEM
//! inline) or `key_file`. `h8lctl context import` copies it into the operator's own
//! `contexts.toml`, which holds many. Both contain private keys: a file that others can read is
//! refused.

use std::fmt;
use std::path::{Path, PathBuf};

use h8lio_model::ids::FleetName;
use h8lio_model::operator::OperatorRole;
use h8lio_tls::bundle::{BundleError, TrustBundle};
use h8lio_tls::files::{self, FileError};
use h8lio_tls::identity::{Identity, IdentityError};
use h8lio_tls::spiffe::Subject;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::errors::Exit;

/// One context, as a file of its own or as an element of `contexts.toml`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// What the operator calls it.
    pub name: String,
    /// The fleet that the coordinators must belong to.
    pub fleet: FleetName,
    /// Coordinators as `host:port`, tried in this order.
    pub addresses: Vec<String>,
    /// Root certificates, PEM.
    pub ca: String,
    /// The operator's certificate, leaf first, PEM.
    pub certificate: String,
    /// The private key, PEM (PKCS#8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where the private key is, instead of `key`; relative to the context file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} of fleet {})", self.name, self.fleet)
    }
}

/// Why there is no usable context.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error(
        "no context: import the file that the coordinator wrote (h8lctl context import FILE), or name it in H8LIO_CONTEXT_FILE"
    )]
    None,
    #[error("no current context; choose one of {} (h8lctl context use NAME)", .names.join(", "))]
    NoneCurrent { names: Vec<String> },
    #[error("no context called {name:?}; there is {}", names_or_none(.names))]
    NotFound { name: String, names: Vec<String> },
    #[error(
        "context file {} holds context {found:?}, not {wanted:?}: leave out --context, or the file",
        path.display()
    )]
    OtherName {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    #[error("context file {} does not exist; `h8lio-coordinator init` and `h8lctl operator create` write one", path.display())]
    FileMissing { path: PathBuf },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("context file {} is not understood", path.display())]
    NotUnderstood {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("context {name} has neither `key` nor `key_file`; export it again")]
    NoKey { name: String },
    #[error("context {name} names no coordinator in `addresses`; write [\"HOST:PORT\"]")]
    NoAddress { name: String },
    #[error("context {name}: `ca` cannot be used; export the context again")]
    Ca {
        name: String,
        #[source]
        source: BundleError,
    },
    #[error("context {name}: `certificate` and `key` cannot be used; export the context again")]
    Identity {
        name: String,
        #[source]
        source: IdentityError,
    },
    #[error(
        "the certificate of context {name} expired at {at}; ask an admin for a new one (h8lctl operator create {operator})"
    )]
    Expired {
        name: String,
        operator: String,
        at: Timestamp,
    },
    #[error("a context called {name:?} exists; import it under another --name, or --replace it")]
    Exists { name: String },
    #[error("cannot store contexts: neither XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    #[error("cannot make folder {}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write contexts as TOML")]
    Encode(#[from] toml::ser::Error),
}

fn names_or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none yet (h8lctl context import FILE)".to_owned()
    } else {
        names.join(", ")
    }
}

impl ContextError {
    /// The exit code.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::Expired { .. } => Exit::NotPermitted,
            Self::Folder { .. } | Self::Encode(_) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

impl Context {
    /// Reads a context file. A `key_file` is read too and becomes `key`.
    ///
    /// # Errors
    /// [`ContextError`] when it is missing, readable by others or not understood.
    pub fn read(path: &Path) -> Result<Self, ContextError> {
        let mut context: Self = read_toml(path)?.ok_or_else(|| ContextError::FileMissing {
            path: path.to_owned(),
        })?;
        context.inline_key(path)?;
        context.check()?;
        Ok(context)
    }

    fn inline_key(&mut self, path: &Path) -> Result<(), ContextError> {
        if let (None, Some(file)) = (&self.key, &self.key_file) {
            let file = path.parent().unwrap_or(Path::new(".")).join(file);
            let key = files::read_private(&file)?;
            self.key = Some(String::from_utf8_lossy(&key).into_owned());
            self.key_file = None;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ContextError> {
        if self.addresses.is_empty() {
            return Err(ContextError::NoAddress {
                name: self.name.clone(),
            });
        }
        self.trust()?;
        self.identity()?;
        Ok(())
    }

    /// The context as the text of a context file.
    ///
    /// # Errors
    /// When TOML cannot hold it.
    pub fn to_toml(&self) -> Result<String, ContextError> {
        Ok(toml::to_string(self)?)
    }

    /// The roots that a coordinator must be signed under.
    ///
    /// # Errors
    /// [`ContextError::Ca`].
    pub fn trust(&self) -> Result<TrustBundle, ContextError> {
        TrustBundle::from_pem(self.ca.as_bytes()).map_err(|source| ContextError::Ca {
            name: self.name.clone(),
            source,
        })
    }

    /// The operator's certificate and key.
    ///
    /// # Errors
    /// [`ContextError::NoKey`] or [`ContextError::Identity`].
    pub fn identity(&self) -> Result<Identity, ContextError> {
        let key = self.key.as_ref().ok_or_else(|| ContextError::NoKey {
            name: self.name.clone(),
        })?;
        Identity::from_pem(self.certificate.as_bytes(), key.as_bytes()).map_err(|source| {
            ContextError::Identity {
                name: self.name.clone(),
                source,
            }
        })
    }

    /// Refuses a certificate that has expired by the clock here.
    ///
    /// # Errors
    /// [`ContextError::Expired`].
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), ContextError> {
        let view = self.view()?;
        if now < view.expires_at {
            return Ok(());
        }
        Err(ContextError::Expired {
            name: self.name.clone(),
            operator: view.operator.unwrap_or_else(|| "NAME".to_owned()),
            at: view.expires_at,
        })
    }

    /// What may be shown of it: everything but the key.
    ///
    /// # Errors
    /// When certificate and key cannot be used.
    pub fn view(&self) -> Result<ContextView, ContextError> {
        let identity = self.identity()?;
        let (operator, role) = match &identity.spiffe().subject {
            Subject::Operator { name, role } => (Some(name.to_string()), Some(*role)),
            Subject::Node(_) | Subject::Coordinator(_) => (None, None),
        };
        Ok(ContextView {
            name: self.name.clone(),
            fleet: self.fleet.clone(),
            addresses: self.addresses.clone(),
            operator,
            role,
            expires_at: identity.validity().not_after,
            current: false,
        })
    }
}

/// A context as `context list -o json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextView {
    pub name: String,
    pub fleet: FleetName,
    pub addresses: Vec<String>,
    /// `null` when the certificate is not an operator's.
    pub operator: Option<String>,
    pub role: Option<OperatorRole>,
    pub expires_at: Timestamp,
    pub current: bool,
}

/// The operator's own contexts: `contexts.toml`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// Name of the one that is used when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    #[serde(default, rename = "context")]
    pub list: Vec<Context>,
}

impl Contexts {
    /// Reads the file; an absent one has no contexts.
    ///
    /// # Errors
    /// [`ContextError`] when it is readable by others or not understood.
    pub fn read(path: &Path) -> Result<Self, ContextError> {
        Ok(read_toml(path)?.unwrap_or_default())
    }

    /// Writes the file whole, mode 0600.
    ///
    /// # Errors
    /// [`ContextError`] when it cannot be written; the old file is then still there.
    pub fn write(&self, path: &Path) -> Result<(), ContextError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| ContextError::Folder {
                path: folder.to_owned(),
                source,
            })?;
        }
        files::write_private(path, toml::to_string(self)?.as_bytes())?;
        Ok(())
    }

    /// The context with this name.
    ///
    /// # Errors
    /// [`ContextError::NotFound`].
    pub fn named(&self, name: &str) -> Result<&Context, ContextError> {
        self.list
            .iter()
            .find(|c| c.name == name)
            .ok_or_else(|| ContextError::NotFound {
                name: name.to_owned(),
                names: self.names(),
            })
    }

    /// All names.
    pub fn names(&self) -> Vec<String> {
        self.list.iter().map(|c| c.name.clone()).collect()
    }

    /// The one to use when none is named.
    ///
    /// # Errors
    /// When there is none, or several and none is current.
    pub fn current(&self) -> Result<&Context, ContextError> {
        match (&self.current, self.list.as_slice()) {
            (_, []) => Err(ContextError::None),
            (Some(name), _) => self.named(name),
            (None, [only]) => Ok(only),
            (None, _) => Err(ContextError::NoneCurrent {
                names: self.names(),
            }),
        }
    }
}

/// Where contexts are and which one is wanted.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `--context-file` or `H8LIO_CONTEXT_FILE`: one context, whatever is stored.
    pub file: Option<PathBuf>,
    /// `--context` or `H8LIO_CONTEXT`.
    pub name: Option<String>,
    /// `contexts.toml`; `None` without a home.
    pub store: Option<PathBuf>,
}

impl Places {
    /// The store's path.
    ///
    /// # Errors
    /// [`ContextError::NoHome`].
    pub fn store(&self) -> Result<&Path, ContextError> {
        self.store.as_deref().ok_or(ContextError::NoHome)
    }

    /// The context to use.
    ///
    /// # Errors
    /// [`ContextError`] says what is missing and how to get it.
    pub fn choose(&self) -> Result<Context, ContextError> {
        if let Some(path) = &self.file {
            let context = Context::read(path)?;
            return match &self.name {
                Some(wanted) if *wanted != context.name => Err(ContextError::OtherName {
                    path: path.clone(),
                    found: context.name,
                    wanted: wanted.clone(),
                }),
                _ => Ok(context),
            };
        }
        let Some(path) = &self.store else {
            return Err(ContextError::None);
        };
        let contexts = Contexts::read(path)?;
        let mut context = match &self.name {
            Some(name) => contexts.named(name)?.clone(),
            None => contexts.current()?.clone(),
        };
        context.inline_key(path)?;
        context.check()?;
        Ok(context)
    }
}

fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ContextError> {
    let bytes = match files::read_private(path) {
        Ok(bytes) => bytes,
        Err(e) if e.is_missing() => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let text = String::from_utf8_lossy(&bytes);
    toml::from_str(&text).map(Some).map_err(|mut source| {
        // The quoted line of the file could be a line of the key.
        source.set_input(None);
        ContextError::NotUnderstood {
            path: path.to_owned(),
            source: Box::new(source),
        }
    })
}
