//! Whom nobody answered is asked again, for a while: a tool that was ended by a stopping agent, a
//! shutdown or a lack of memory has refused nothing, and may have done what it was asked. So is one
//! that could not have a lock: the agent's own download of a life before may hold it.

use super::{Now, Walker, doing};
use crate::host::boot::BootError;
use crate::host::patching::PatchError;
use crate::host::tool::ToolError;
use crate::reconcile::patching::transaction::database::Diagnosis;
use crate::reconcile::patching::way::machine::Event;

/// Why a step did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum No {
    /// Nobody said anything.
    Silent(String),
    /// Somebody is in the package manager.
    Busy(String),
    Said(String),
}

impl From<String> for No {
    fn from(why: String) -> Self {
        Self::Said(why)
    }
}

impl From<PatchError> for No {
    fn from(e: PatchError) -> Self {
        let why = crate::chain(&e);
        match e {
            PatchError::Tool(ToolError::Silent { .. }) => Self::Silent(why),
            PatchError::Tool(ToolError::Busy { .. }) => Self::Busy(why),
            _ => Self::Said(why),
        }
    }
}

impl From<BootError> for No {
    fn from(e: BootError) -> Self {
        let why = crate::chain(&e);
        match e {
            BootError::Tool(ToolError::Silent { .. }) => Self::Silent(why),
            _ => Self::Said(why),
        }
    }
}

impl Walker {
    /// What came of a step that did not come about; `None`: it is asked again.
    pub(super) fn no(&mut self, no: No, event: Event, now: &Now) -> Option<Event> {
        let late = self.waited(now) >= self.patience.lock;
        let (why, is_final) = match no {
            No::Silent(why) | No::Busy(why) => (why, late),
            No::Said(why) => (why, true),
        };
        if !is_final {
            self.doing = Some(format!("{why}; asking again"));
            self.warn_once(format!("{why}; asking again"));
            return None;
        }
        self.note = why;
        Some(event)
    }

    /// Whether somebody else is in the package manager who is still worth waiting for. What would meet
    /// him would fail, and not because of itself.
    pub(super) fn is_kept_waiting(&mut self, now: &Now) -> bool {
        let Some(Diagnosis::Busy(holders)) = self.database().map(|d| d.diagnose()) else {
            self.doing = None;
            return false;
        };
        let doing = doing::waits_for(&holders);
        self.warn_once(doing.clone());
        self.doing = Some(doing);
        self.waited(now) < self.patience.lock
    }
}
