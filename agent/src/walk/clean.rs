//! What a committed attempt leaves behind, and earlier ones did, is bounded.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use h8lio_model::order::AttemptId;
use h8lio_tls::files::FileError;

use super::Walker;
use super::subject::Subject;
use super::transactions::pins;

/// Step logs of so many attempts stay, for whoever wants to read what happened.
const LOGS: usize = 16;

impl Walker {
    /// After a commit. It is no part of the attempt: what fails now is done after the next one.
    pub(super) fn clean(&self, subject: &Subject) {
        if let Err(e) = self.tapes.prune(subject.attempt) {
            tracing::warn!("old step logs stay: {}", crate::chain(&e));
        }
        if subject.changes.is_empty() {
            return;
        }
        let (old, new) = (pins(&subject.reversed()), pins(&subject.changes));
        if let Err(e) = self.server.patch.clean(&old, &new, self.leave) {
            tracing::warn!("old archives stay: {}", crate::chain(&e));
        }
    }
}

/// Removes step logs in `folder` but for the newest few and the one of `last`.
pub(super) fn prune(folder: &Path, last: AttemptId) -> Result<(), FileError> {
    let failed = |source| FileError::Write {
        path: folder.to_owned(),
        source,
    };
    let own = format!("steps-{last}.log");
    let mut found: Vec<(SystemTime, std::path::PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("steps-") && name.ends_with(".log") && *name != own {
            let changed = entry.metadata().and_then(|m| m.modified());
            found.push((changed.map_err(failed)?, entry.path()));
        }
    }
    found.sort();
    let stale = (found.len() + 1).saturating_sub(LOGS);
    found
        .into_iter()
        .take(stale)
        .try_for_each(|(_, path)| fs::remove_file(path))
        .map_err(failed)
}
