//! The watchdog timer of the server's BMC. It goes on counting over a reboot, so it can end a kernel
//! that hangs before anything of it could be asked.

use super::patching::MayAct;
use super::tool::ToolError;

/// The timer, as somebody who may set it.
pub trait BmcTimerHost: Send + Sync {
    /// Whether there is one that nobody else drives, told without asking the BMC.
    fn access(&self) -> Access;

    /// What the BMC answers to *Get Watchdog Timer*: bytes in hexadecimal, as `ipmitool raw` prints.
    ///
    /// # Errors
    /// [`ToolError`].
    fn timer(&self) -> Result<String, ToolError>;

    /// *Set Watchdog Timer*: stops it, and says what it is for, what it does and after how long.
    ///
    /// # Errors
    /// [`ToolError`].
    fn set(&self, setting: [u8; 6]) -> Result<(), ToolError>;

    /// *Reset Watchdog Timer*: counts down from the beginning.
    ///
    /// # Errors
    /// [`ToolError`].
    fn start(&self, leave: MayAct) -> Result<(), ToolError>;
}

/// Whether there is a timer for the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    Open,
    /// The server has no BMC, or nothing on it reaches one; the text says which, and what to do.
    None(String),
    /// Somebody else drives it.
    Taken(String),
}
