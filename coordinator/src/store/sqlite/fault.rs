//! SQLite's errors in the words of the store.

use std::io;
use std::path::Path;

use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_SHMSIZE};

use crate::store::error::StoreError;

/// The name of the store at `path`, as people read it.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

/// An error of the file system.
pub(super) fn io(path: &Path, e: &io::Error) -> StoreError {
    let store = name(path);
    match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { store }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { store },
        io::ErrorKind::NotFound => StoreError::Open {
            store,
            detail: "its directory does not exist".to_owned(),
        },
        io::ErrorKind::IsADirectory => StoreError::Open {
            store,
            detail: "it is a directory".to_owned(),
        },
        _ => StoreError::Io {
            store,
            detail: e.to_string(),
        },
    }
}

/// An error of SQLite.
pub(super) fn sqlite(path: &Path, e: &rusqlite::Error) -> StoreError {
    let store = name(path);
    let detail = e.to_string();
    let rusqlite::Error::SqliteFailure(code, _) = e else {
        // What the file holds is not what this program wrote: a missing row, another type.
        return StoreError::Corrupt { store, detail };
    };
    match code.code {
        ErrorCode::DiskFull => StoreError::Full { store },
        ErrorCode::SystemIoFailure if code.extended_code == SQLITE_IOERR_SHMSIZE => {
            StoreError::Full { store }
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { store },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Corrupt { store, detail }
        }
        ErrorCode::CannotOpen => StoreError::Open { store, detail },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Unavailable {
            store,
            detail: "another program holds the file".to_owned(),
        },
        _ => {
            let detail = format!("{detail}, code {}", code.extended_code);
            StoreError::Io { store, detail }
        }
    }
}

/// Why an action on a connection stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller asked for what cannot be; nothing is wrong with the connection.
    Refused(StoreError),
    /// SQLite could not.
    Sql(rusqlite::Error),
}

impl Stop {
    /// What to tell the caller of the store at `path`.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Refused(e) => e,
            Self::Sql(e) => sqlite(path, &e),
        }
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}
