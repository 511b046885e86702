use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::section::Digest;

/// One try at one irreversible act. The agent remembers it for ever with its outcome: the same id
/// never tries twice, and only a new id tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub Uuid);

impl AttemptId {
    /// The id that belongs to what `digest` was taken of. Derived and not drawn, so that planning
    /// again, also after a restore from backup, arrives at the same id for the same act, and a
    /// server that has done it answers "done".
    pub fn derived(digest: &Digest) -> Self {
        Self(uuid_of(digest))
    }
}

/// A UUID of version 8 (own meaning) from the first 16 bytes of a digest.
pub(crate) fn uuid_of(digest: &Digest) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Leave for one irreversible act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ticket {
    pub attempt: AttemptId,
    pub act: Act,
    pub on_failure: OnFailure,
    /// From this moment on, by the coordinator's clock, the attempt is not begun any more: what was
    /// true when it was ordered may have changed. One that was begun before goes on.
    pub begin_before: Timestamp,
}

/// The irreversible acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// Bring the packages to the order's `patch`, reboot if the order wishes for it, and commit
    /// when the server is well. One attempt from the first change to the commit.
    Patch,
    /// Reboot as the order wishes, change no package, and commit when the server is well.
    Reboot,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Patch => "patch",
            Self::Reboot => "reboot",
        })
    }
}

/// What the agent may do by itself when the server is not well afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// One unattended way back to what was before. A second reboot needs a new order.
    FallBackOnce,
    /// Packages that only go forward (systemd, libc, Ceph, etcd): stay as it is and report.
    Halt,
}
