//! Units of the service manager, as somebody who may restart them.

use super::patching::MayAct;

/// Restarts units.
pub trait ServicesHost: Send + Sync {
    /// Restarts `unit` and waits until that is done. May take a minute and a half.
    ///
    /// # Errors
    /// [`RestartError`].
    fn restart(&self, unit: &str, leave: MayAct) -> Result<(), RestartError>;
}

/// Why a unit was not restarted.
#[derive(Debug, thiserror::Error)]
#[error("cannot restart {unit}: {said}")]
pub struct RestartError {
    pub unit: String,
    pub said: String,
}
