//! The coordinator's side: takes over what the command left.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::event::Severity;
use h8lio_model::operator::Operator;
use h8lio_tls::files;

use super::Note;
use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::config::Settings;
use crate::feed::Feed;
use crate::operators;
use crate::registry::RegistryError;
use crate::registry::records;
use crate::store::{Compare, Op, Store, StoreError};

/// How often a coordinator that runs looks for notes.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The note taken over last. Power may be lost between that and the removal of its file; taken
/// over again it would undo what admins did since.
const LAST: &str = "/h8lio/meta/local-operator";

/// The notes of one coordinator.
#[derive(Debug)]
pub struct Notes {
    folder: PathBuf,
    store: Arc<dyn Store>,
    audit: Arc<AuditLog>,
    feed: Arc<Feed>,
}

/// Why a note stays where it is, for now.
#[derive(Debug, thiserror::Error)]
enum Stays {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RegistryError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("cannot remove {}", path.display())]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Notes {
    /// Those that lie beside the store of these settings.
    pub fn of(
        settings: &Settings,
        store: Arc<dyn Store>,
        audit: Arc<AuditLog>,
        feed: Arc<Feed>,
    ) -> Self {
        Self {
            folder: super::folder(settings),
            store,
            audit,
            feed,
        }
    }

    /// Takes over what is there, the oldest first; whether operators have changed.
    pub async fn take_over(&self) -> bool {
        let mut changed = false;
        for path in self.waiting() {
            let Some(note) = read(&path) else {
                continue;
            };
            match self.take(&path, note).await {
                Ok(new) => changed |= new,
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%path, %error, "an operator that was made on this machine is not taken over yet");
                    return changed;
                }
            }
        }
        changed
    }

    fn waiting(&self) -> Vec<PathBuf> {
        // Mostly there is no such folder.
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
        paths.sort();
        paths
    }

    /// `false` when it had been taken over before.
    async fn take(&self, path: &Path, note: Note) -> Result<bool, Stays> {
        let last = self.store.get(LAST).await?;
        let id = note.id.to_string();
        let new = last.as_ref().is_none_or(|kv| kv.value != id.as_bytes());
        if new {
            let key = operators::key(&note.operator.name);
            let before = self.store.get(&key).await?;
            let mut operator = note.operator.clone();
            if let Some(kv) = &before {
                let old: Operator = records::read(&key, &kv.value).map_err(RegistryError::from)?;
                operator.created_at = old.created_at;
            }
            let compares = vec![
                Compare::same(&key, before.as_ref()),
                Compare::same(LAST, last.as_ref()),
            ];
            let effect = vec![
                Op::put(key, records::write(&operator)),
                Op::put(LAST, id.into_bytes()),
            ];
            self.audit.append(entry(&note), effect, compares).await?;
            self.tell(&note);
        }
        std::fs::remove_file(path).map_err(|source| Stays::Remove {
            path: path.to_owned(),
            source,
        })?;
        Ok(new)
    }

    fn tell(&self, note: &Note) {
        let (name, role) = (&note.operator.name, note.operator.role);
        let message = format!(
            "operator {name} ({role}) was made on the coordinator's machine by {}: {}; if nobody of yours did that, revoke it (h8lctl operator revoke {name}) and treat the machine as broken into",
            note.by, note.reason
        );
        self.feed
            .fleet(Severity::Alert, "OperatorMadeLocally", message);
    }
}

/// Reads a note; one that cannot be read is set aside, so that it is complained of once.
fn read(path: &Path) -> Option<Note> {
    let problem = match files::read_private(path) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(note) => return Some(note),
            Err(e) => e.to_string(),
        },
        Err(e) => e.to_string(),
    };
    let aside = path.with_extension("refused");
    tracing::error!(
        path = %path.display(), problem, aside = %aside.display(),
        "this is no note of `h8lio-coordinator operator create`; it is set aside"
    );
    // If that fails, too, it is complained of again.
    let _ = std::fs::rename(path, aside);
    None
}

fn entry(note: &Note) -> AuditDraft {
    let o = &note.operator;
    AuditDraft {
        at: note.at,
        actor: format!("local/{}", note.by),
        action: "operator.create".to_owned(),
        target: format!("operator/{}", o.name),
        reason: note.reason.clone(),
        ticket: None,
        request_id: note.id.to_string(),
        request: serde_json::json!({ "name": o.name, "role": o.role, "expiresAt": o.expires_at })
            .to_string(),
    }
}
