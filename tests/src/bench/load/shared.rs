//! What all sessions of a load share: what they are told, and what they count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;

use super::orders::Counts;

/// Longest wait for a fleet to open its sessions or to hand in its reports.
const WITHIN: Duration = Duration::from_secs(180);

/// What the sessions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    pub active: bool,
    pub every: Duration,
    pub round: u64,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    control: Arc<watch::Sender<Control>>,
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    count: usize,
    open: AtomicUsize,
    sent: AtomicU64,
    answered: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(0)
    }
}

/// A session that is open, counted as such until dropped.
#[derive(Debug)]
pub struct Opened(Arc<Tally>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.lost.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// For so many sessions, none open yet.
    pub fn new(count: usize) -> Self {
        let every = Duration::from_secs(1);
        let (control, _) = watch::channel(Control {
            active: false,
            every,
            round: 0,
        });
        let tally = Arc::new(Tally {
            count,
            ..Tally::default()
        });
        Self {
            control: Arc::new(control),
            tally,
        }
    }

    /// Tells all sessions something.
    pub fn control(&self, change: impl FnOnce(&mut Control)) {
        self.tally.received.store(0, Ordering::Relaxed);
        self.control.send_modify(change);
    }

    /// What is told.
    pub fn told(&self) -> watch::Receiver<Control> {
        self.control.subscribe()
    }

    /// How many sessions there are to be.
    pub fn count(&self) -> usize {
        self.tally.count
    }

    /// Counts a session as open.
    pub fn opened(&self) -> Opened {
        self.tally.open.fetch_add(1, Ordering::Relaxed);
        Opened(Arc::clone(&self.tally))
    }

    /// Counts a sign of life.
    pub fn sent(&self) {
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer to one.
    pub fn answered(&self) {
        self.tally.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts sections that the coordinator has.
    pub fn received(&self, sections: usize) {
        self.tally
            .received
            .fetch_add(sections as u64, Ordering::Relaxed);
    }

    /// Counts a failure.
    pub fn failed(&self, why: String) {
        self.tally.failed.fetch_add(1, Ordering::Relaxed);
        *self
            .tally
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        let t = &self.tally;
        Counts {
            open: t.open.load(Ordering::Relaxed),
            sent: t.sent.load(Ordering::Relaxed),
            answered: t.answered.load(Ordering::Relaxed),
            lost: t.lost.load(Ordering::Relaxed),
            failed: t.failed.load(Ordering::Relaxed),
            last_error: t
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// Waits until every session is open.
    pub async fn all_open(&self) -> anyhow::Result<()> {
        self.until("open", |t| t.open.load(Ordering::Relaxed) >= t.count)
            .await
    }

    /// Waits until none is.
    pub async fn none_open(&self) -> anyhow::Result<()> {
        self.until("closed", |t| t.open.load(Ordering::Relaxed) == 0)
            .await
    }

    /// Waits until every session's sections have arrived.
    pub async fn all_received(&self, sections: usize) -> anyhow::Result<()> {
        let all = |t: &Tally| t.received.load(Ordering::Relaxed) >= (t.count * sections) as u64;
        self.until("reported", all).await
    }

    async fn until(&self, what: &str, holds: impl Fn(&Tally) -> bool) -> anyhow::Result<()> {
        let step = Duration::from_millis(20);
        for _ in 0..WITHIN.as_millis() / step.as_millis() {
            if holds(&self.tally) {
                return Ok(());
            }
            tokio::time::sleep(step).await;
        }
        bail!(
            "not all sessions are {what} within {} s: {:?}",
            WITHIN.as_secs(),
            self.counts()
        )
    }
}
