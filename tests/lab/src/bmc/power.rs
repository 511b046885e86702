//! What a BMC may do to its server. Nothing else of the server reaches this module.

pub use crate::server::Power;

/// A server's power, as the wires of a BMC reach it.
///
/// Every method is idempotent where the wire is: `on` of a server that is on changes nothing, and
/// so does `off` of one that is off. Each returns when it has happened, and must not take longer
/// than starting the server's process takes: a BMC answers IPMI from it.
pub trait PowerSwitch: Send + Sync {
    /// The true state, whatever a lying BMC tells.
    fn state(&self) -> anyhow::Result<Power>;
    /// Gives power.
    fn on(&self) -> anyhow::Result<()>;
    /// Takes power away at once.
    fn off(&self) -> anyhow::Result<()>;
    /// Pulls the reset line. Nothing happens to a server that is off.
    fn reset(&self) -> anyhow::Result<()>;
    /// Raises a non-maskable interrupt. Nothing happens to a server that is off.
    fn nmi(&self) -> anyhow::Result<()>;
    /// Presses the power button shortly: a running system is asked to shut down, a server that is
    /// off comes on.
    fn button(&self) -> anyhow::Result<()>;
}
