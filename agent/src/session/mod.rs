//! The one stream to a coordinator.
//!
//! [`machine`] decides (pure: events in, actions out), [`policy`] paces the dialling, `stream`
//! moves bytes, [`supervisor`] keeps one good stream and replaces it when the identity changes,
//! [`keeper`] writes to disk what must be remembered, away from the thread that beats.

mod convert;
pub mod keeper;
pub mod machine;
pub mod outbox;
pub mod policy;
mod renewer;
mod stream;
pub mod supervisor;
pub mod witness;

use std::error::Error;
use std::sync::Arc;

use h8lio_model::ids::{AgentInstance, BootId};
use h8lio_model::section::Digest;
use h8lio_model::token::Claims;
use tokio::sync::{Notify, watch};
use tonic::transport::Channel;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::identity::vault::Vault;
use crate::report::Shared;
use crate::report::board::Board;
use outbox::Sections;

/// What all parts of the session share.
#[derive(Debug)]
pub struct Context {
    pub vault: Arc<Vault>,
    pub keeper: keeper::Keeper,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub board: Arc<Board>,
    pub shared: Arc<Shared>,
    /// What the collectors have.
    pub sections: watch::Receiver<Sections>,
    /// Addresses of the configuration; tried before those of the join token.
    pub coordinators: Vec<String>,
    pub boot_id: BootId,
    pub instance: AgentInstance,
    pub claims: Claims,
    /// While `true`, the session neither sends nor reads: a frozen agent (simulated faults).
    pub frozen: watch::Receiver<bool>,
    pub status: Status,
}

/// What the session tells the rest of the agent.
#[derive(Debug)]
pub struct Status {
    /// The connection of the open session.
    pub live: watch::Sender<Option<Channel>>,
    /// Whose session is open, for people.
    pub coordinator: watch::Sender<Option<String>>,
    /// Why this identity may do nothing new; `None`: it may.
    pub restricted: watch::Sender<Option<String>>,
    /// The newest order as it came, JSON.
    pub order: watch::Sender<Option<Vec<u8>>>,
    /// The coordinator asks for a renewal now.
    pub renew: Notify,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            live: watch::Sender::new(None),
            coordinator: watch::Sender::new(None),
            restricted: watch::Sender::new(None),
            order: watch::Sender::new(None),
            renew: Notify::new(),
        }
    }
}

/// Who calls, for the greeting.
#[derive(Debug, Clone, Copy)]
struct Caller {
    boot_id: BootId,
    instance: AgentInstance,
    version: &'static str,
    bundle: Digest,
}

/// What really went wrong with a call: the words of the coordinator, or the transport's cause.
pub(crate) fn cause(status: &tonic::Status) -> String {
    match status.source() {
        Some(source) => h8lio_tls::cause::explain(source),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}
