//! An operator made on the coordinator's own machine: the way back in when no admin is left.
//!
//! The command never touches the store. A running coordinator holds the lock of it, and entries of
//! the audit log are written by the one process that shows its head to the witnesses. So the command
//! issues the certificate with the issuing key, which whoever may read could do anyway, and leaves a
//! **note** beside the store. The coordinator takes notes over at its start and every few seconds
//! while it runs, operator and audit entry in one transaction. Until then nobody accepts the
//! certificate. The same way is safe whether the coordinator runs or not, and also when it stops or
//! starts in the middle.

mod notes;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use h8lio_model::ids::OperatorName;
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_tls::files::{self, FileError};
use h8lio_tls::identity::{self, IdentityError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Settings;
use crate::init::{self, InitError};
use crate::pki::authority::Authority;
use crate::pki::csr::PublicKey;
use crate::pki::error::{AuthorityError, IssueError};

pub use notes::{LOOK_EVERY, Notes};

/// What the command leaves for the coordinator. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    id: Uuid,
    at: Timestamp,
    /// Who ran the command, as the machine and sudo say.
    by: String,
    reason: String,
    operator: Operator,
}

/// What to make: an admin, always. For anything less an admin is there who can.
#[derive(Debug, Clone)]
pub struct Wish {
    pub name: OperatorName,
    /// Who asks, for the audit log.
    pub by: String,
    pub reason: String,
    /// Where the operator's context file goes.
    pub context_out: PathBuf,
}

/// Why no operator was made.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("a reason has 1 to 1,024 bytes: say why (--reason)")]
    Reason,
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("cannot make the operator's key")]
    Key(#[source] IdentityError),
    #[error(transparent)]
    Context(#[from] InitError),
    #[error("cannot leave the note for the coordinator")]
    Note(#[from] FileError),
    #[error("cannot leave a note for the coordinator in {}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Where notes lie.
fn folder(settings: &Settings) -> PathBuf {
    settings.store.with_file_name("local-operators")
}

/// Makes an operator's key and certificate, and leaves the note by which the coordinator will
/// accept it.
///
/// # Errors
/// [`LocalError`]; nothing is left behind then.
pub fn create(settings: &Settings, wish: &Wish, now: Timestamp) -> Result<Operator, LocalError> {
    if wish.reason.trim().is_empty() || wish.reason.len() > 1_024 {
        return Err(LocalError::Reason);
    }
    let authority = Authority::load(&settings.pki, &settings.fleet)?;
    authority.check(now)?;
    let pair = identity::generate_key().map_err(LocalError::Key)?;
    let key = PublicKey::of_pair(&pair).ok_or(LocalError::Key(IdentityError::Key))?;
    let life = settings.certificates.operator;
    let issued = authority.issue_operator(&key, &wish.name, OperatorRole::Admin, now, life)?;
    let operator = Operator {
        name: wish.name.clone(),
        role: OperatorRole::Admin,
        certificate_serial: issued.serial.to_string(),
        created_at: now,
        expires_at: issued.not_after,
        revoked_at: None,
    };
    let pem = identity::key_to_pem(&pair);
    init::write_context(
        settings,
        authority.bundle(),
        &issued,
        &pem,
        &wish.context_out,
    )?;
    let note = Note {
        id: Uuid::new_v4(),
        at: now,
        by: wish.by.clone(),
        reason: wish.reason.clone(),
        operator: operator.clone(),
    };
    if let Err(e) = leave(&folder(settings), &note) {
        let _ = fs::remove_file(&wish.context_out);
        return Err(e);
    }
    Ok(operator)
}

fn leave(folder: &Path, note: &Note) -> Result<(), LocalError> {
    let wrap = |source| LocalError::Folder {
        path: folder.to_owned(),
        source,
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(wrap)?;
    // Names, numbers and times only: this form always exists.
    let json = serde_json::to_vec_pretty(note).unwrap_or_default();
    // In the order of time.
    let name = format!("{:020}-{}.json", note.at.as_millisecond(), note.id);
    files::write_private(&folder.join(name), &json)?;
    // Root leaves it for the service's user.
    let owner = folder.parent().unwrap_or(Path::new("."));
    crate::ownership::give_to_owner_of(owner, folder).map_err(wrap)
}
