//! Follows the coordinator's orders: owns the ledger and, where the owner lets the agent act, the
//! walk.
//!
//! [`start`] makes a task of its own. Whatever it does to the server happens on a blocking thread,
//! never on the one that beats, one turn ([`desk`]) after the other:
//!
//! 1. open the ledger, where it is not open yet; one that cannot be opened is tried again, and
//!    meanwhile the agent only observes and reports no orders;
//! 2. take the newest order ([`intake`]), durably, or say why not;
//! 3. walk as far as it goes. An attempt *begins* only in an open session of an identity that is not
//!    restricted: without a coordinator, servers stay as they are. One that has begun goes on to its
//!    end, whatever becomes of the session.
//!
//! Between attempts it keeps the package index fresh ([`index`]).
//!
//! What the ledger says goes out as section `orders` each time that it changes ([`voice`]), without
//! waiting for a round of the collectors.

mod desk;
mod index;
mod intake;
#[cfg(test)]
mod tests;
mod voice;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::ids::NodeId;
use h8lio_model::inventory::DomainMode;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::identity::Disk;
use crate::report::Shared;
use crate::report::board::Board;
use crate::session::outbox::Sections;
use crate::walk;
use desk::{Desk, Next};

/// How long a stopping agent waits for the step that it is in. One that takes longer is cut off, as
/// by a crash, and observed in the next life.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What orders are followed with.
#[derive(Debug)]
pub struct Setup {
    /// Of the ledger.
    pub disk: Arc<dyn Disk>,
    /// Of the step logs.
    pub state_dir: PathBuf,
    pub node: NodeId,
    /// The owner's word on patching.
    pub mode: DomainMode,
    /// After how long without an agent a boot into another kernel counts as hanging.
    pub hang: Duration,
    pub server: walk::Server,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub board: Arc<Board>,
    /// What the session and the collectors know.
    pub shared: Arc<Shared>,
    pub publish: watch::Sender<Sections>,
}

/// What the session says.
#[derive(Debug, Clone)]
pub struct Signals {
    /// The newest order as it came.
    pub order: watch::Receiver<Option<Vec<u8>>>,
    /// Whose session is open.
    pub coordinator: watch::Receiver<Option<String>>,
    /// Why the identity may do nothing new.
    pub restricted: watch::Receiver<Option<String>>,
    /// While `true`, the agent stands still (simulated faults).
    pub frozen: watch::Receiver<bool>,
}

/// The task and the string to it. Dropped, it ends after the step that it is in.
#[derive(Debug)]
pub struct Following {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Begins to follow orders.
pub fn start(setup: Setup, signals: Signals) -> Following {
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(follow(setup, signals, stopped));
    Following { stop, task }
}

impl Following {
    /// Waits for what only a defect of the agent's brings: it has ended and was not asked to. Nothing
    /// else may be asked of it then.
    pub async fn died(&mut self) {
        let _ = (&mut self.task).await;
    }

    /// Ends it, and waits a little for the step that it is in.
    pub async fn stop(self) {
        let _ = tokio::time::timeout(STOP_WITHIN, self.settle()).await;
    }

    /// Ends it, and waits until nothing of it is at work any more, however long that takes.
    pub async fn settle(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

async fn follow(setup: Setup, mut signals: Signals, mut stopped: watch::Receiver<bool>) {
    let mut desk = Desk::new(setup, signals.clone(), stopped.clone());
    loop {
        // Each arm is cancel-safe: watches lose nothing.
        tokio::select! {
            _ = stopped.wait_for(|s| *s) => return,
            thawed = signals.frozen.wait_for(|f| !f) => if thawed.is_err() { return },
        }
        let turn = tokio::task::spawn_blocking(move || {
            let next = desk.turn();
            (desk, next)
        });
        let next = match turn.await {
            Ok((back, next)) => {
                desk = back;
                next
            }
            // A panic, which was logged, or the runtime shuts down.
            Err(_) => return,
        };
        tokio::select! {
            _ = stopped.wait_for(|s| *s) => return,
            () = pass(next) => {}
            Ok(()) = signals.order.changed() => {}
            Ok(()) = signals.coordinator.changed() => {}
            Ok(()) = signals.restricted.changed() => {}
        }
    }
}

async fn pass(next: Next) {
    match next {
        Next::Now => {}
        Next::After(span) => tokio::time::sleep(span).await,
        Next::WhenSomethingComes => std::future::pending().await,
    }
}
