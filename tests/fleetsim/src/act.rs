//! What agents did to their servers, as their servers saw it.

use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// What had become of a transaction when it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Had {
    NotBegun,
    Begun,
}

/// Something that cannot be taken back by not having said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A package transaction was started, and whether it had begun before.
    Install(Uuid, Had),
    /// One that repairs, or puts back.
    Mend(Uuid),
    /// What boots was changed.
    Boot(&'static str),
    /// A boot was asked for.
    Reboot,
    Restart(String),
    Hold,
}

/// Acts of one server since they were last taken.
#[derive(Debug, Clone, Default)]
pub struct Acts(Arc<Mutex<Vec<Act>>>);

impl Acts {
    pub(crate) fn add(&self, act: Act) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(act);
    }

    /// Empties it.
    pub fn take(&self) -> Vec<Act> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
