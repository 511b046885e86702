//! Maintenance: what operators asked for, the plan that is the target, and what the planner says
//! about it.
//!
//! [`rollouts`] keeps what operators asked for. The [`driver`] plans, writes the plan, sends orders, and
//! publishes a [`Snapshot`] after each round; everything that only reads (lists, explanations,
//! what-if, dry runs) reads the snapshot.

pub mod driver;
mod facts;
mod health;
mod patience;
pub mod plans;
pub mod records;
pub mod rollouts;
mod sections;
mod snapshot;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use tokio::sync::{Notify, watch};

pub use rollouts::Rollouts;
pub use snapshot::Snapshot;

/// What services and the driver share.
#[derive(Debug)]
pub struct Maintenance {
    pub rollouts: Rollouts,
    snapshot: watch::Sender<Arc<Snapshot>>,
    wake: Notify,
}

impl Maintenance {
    /// Begins with what is stored.
    pub fn new(rollouts: Rollouts, first: Snapshot) -> Self {
        Self {
            rollouts,
            snapshot: watch::Sender::new(Arc::new(first)),
            wake: Notify::new(),
        }
    }

    /// What the last round came to.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Snapshots as they come.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// Publishes a round's result.
    pub fn publish(&self, snapshot: Snapshot) {
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    /// Something has changed that a plan depends on: the next round begins soon.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends when [`Maintenance::wake`] was called.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}
