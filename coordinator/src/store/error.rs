//! What can go wrong with a store, as an operator reads it.

use super::check::{MAX_KEY_BYTES, MAX_OPS, MAX_TXN_BYTES, MAX_VALUE_BYTES};
use super::key::{LeaseId, Revision};

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The same call may succeed later, unchanged.
    Retryable,
    /// It will not, unless a person or the caller changes something.
    Terminal,
}

/// Why the store refused. `store` names it as people do: the path of its file, or its address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error(
        "cannot write to the store {store}: no space left; free space on its disk, writing then \
         goes on by itself (reading works meanwhile)"
    )]
    Full { store: String },

    #[error(
        "cannot write to the store {store}: it is read-only; make the file, its directory and \
         the file system writable for this user"
    )]
    ReadOnly { store: String },

    #[error("the store {store} has an I/O error ({detail}); look at the disk and its kernel log")]
    Io { store: String, detail: String },

    #[error("cannot open the store {store}: {detail}; create its directory or correct the path")]
    Open { store: String, detail: String },

    #[error(
        "the store {store} is damaged ({detail}); keep a copy of it, then put a backup in its place"
    )]
    Corrupt { store: String, detail: String },

    #[error(
        "the store {store} is in use by another coordinator{}; stop that one, or give this one \
         its own store", pid(.holder)
    )]
    Locked {
        store: String,
        /// Process id of the holder, as it wrote it down.
        holder: Option<u32>,
    },

    #[error(
        "the store {store} has {links} names (hard links), and a coordinator could be started \
         on each; remove all but one"
    )]
    Linked { store: String, links: u64 },

    #[error("{store} is a database of another program; give the coordinator its own file")]
    Foreign { store: String },

    #[error(
        "the store {store} was written by a newer coordinator (format {found}, this one knows \
         {known}); install that version again"
    )]
    Newer {
        store: String,
        found: u64,
        known: u64,
    },

    #[error("the store {store} does not answer ({detail}); trying again is safe where it compares")]
    Unavailable { store: String, detail: String },

    #[error("a transaction has {count} {what}, {} are allowed; split it", MAX_OPS)]
    TooManyOps { what: &'static str, count: usize },

    #[error("a transaction changes more than {allowed} keys; delete the range in parts")]
    TooManyKeys { allowed: u64 },

    #[error(
        "the value of {key} has {bytes} bytes, {} are allowed",
        MAX_VALUE_BYTES
    )]
    ValueTooLarge { key: String, bytes: usize },

    #[error(
        "a transaction has {bytes} bytes, {} are allowed; split it",
        MAX_TXN_BYTES
    )]
    TxnTooLarge { bytes: usize },

    #[error("a key has {bytes} bytes, 1 to {} are allowed", MAX_KEY_BYTES)]
    BadKey { bytes: usize },

    #[error("a transaction changes {key} twice; an operation list may name a key once")]
    DuplicateKey { key: String },

    #[error("lease {id} does not exist or has ended; grant a new one")]
    LeaseNotFound { id: LeaseId },

    #[error(
        "changes since revision {from} are gone, history starts after {compacted}; list again and \
         watch from there"
    )]
    Compacted { from: Revision, compacted: Revision },

    #[error("the store {store} is closed; the coordinator is stopping")]
    Closed { store: String },
}

fn pid(holder: &Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl StoreError {
    /// Whether the store is well and what it was asked for was wrong.
    pub const fn is_callers_fault(&self) -> bool {
        matches!(
            self,
            Self::TooManyOps { .. }
                | Self::TooManyKeys { .. }
                | Self::ValueTooLarge { .. }
                | Self::TxnTooLarge { .. }
                | Self::BadKey { .. }
                | Self::DuplicateKey { .. }
                | Self::LeaseNotFound { .. }
                | Self::Compacted { .. }
        )
    }

    /// Whether trying again can help.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Io { .. }
            | Self::Locked { .. }
            | Self::Unavailable { .. } => ErrorClass::Retryable,
            Self::Open { .. }
            | Self::Corrupt { .. }
            | Self::Linked { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::TooManyOps { .. }
            | Self::TooManyKeys { .. }
            | Self::ValueTooLarge { .. }
            | Self::TxnTooLarge { .. }
            | Self::BadKey { .. }
            | Self::DuplicateKey { .. }
            | Self::LeaseNotFound { .. }
            | Self::Compacted { .. }
            | Self::Closed { .. } => ErrorClass::Terminal,
        }
    }
}
