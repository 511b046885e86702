//! Writes to the state directory what sessions learn, one thing at a time, on a blocking thread.
//!
//! A full or hanging disk delays nothing but this: the newest of each kind waits here and is
//! tried again, and condition `StateDirUnwritable` says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use h8lio_model::condition::ConditionType;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::serial::Serial;
use tokio::sync::mpsc;

use super::witness::{self, Witness};
use crate::clock::SharedClock;
use crate::identity::Disk;
use crate::identity::vault::{Vault, VaultError};
use crate::report::board::Board;

/// How often the directory is tried when nothing is to be written, and how soon after a failure.
const PROBE: Duration = Duration::from_secs(30);

/// A write that takes longer is reported as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(10);

/// Name of the file that the directory is tried with.
const PROBE_FILE: &str = "probe";

/// Something to be remembered.
#[derive(Debug)]
enum Job {
    Acknowledge(Serial),
    GiveUp(Serial),
    Adopt(Box<TrustBundle>),
    Witness(Witness),
}

/// Hands things over; never blocks.
#[derive(Debug)]
pub struct Keeper {
    jobs: mpsc::UnboundedSender<Job>,
    witness: Mutex<Option<Witness>>,
}

/// What is left to write, the newest of each kind.
#[derive(Debug, Default)]
struct Pending {
    acknowledge: Option<Serial>,
    give_up: Option<Serial>,
    bundle: Option<Box<TrustBundle>>,
    witness: Option<Witness>,
}

/// The other half of a [`Keeper`]: does the writing.
#[derive(Debug)]
pub struct KeeperTask {
    jobs: mpsc::UnboundedReceiver<Job>,
    disk: Arc<dyn Disk>,
    vault: Arc<Vault>,
    board: Arc<Board>,
    clock: SharedClock,
}

impl Keeper {
    /// Reads what was remembered. A witness file that cannot be read counts as empty: it is
    /// evidence about the coordinator, and no reason to leave this server alone in the dark.
    pub fn new(
        disk: Arc<dyn Disk>,
        vault: Arc<Vault>,
        board: Arc<Board>,
        clock: SharedClock,
    ) -> (Self, KeeperTask) {
        let read = disk.read(witness::FILE);
        if let Err(e) = &read {
            tracing::warn!("the remembered audit head is lost: {e}");
        }
        let remembered = read
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (send, jobs) = mpsc::unbounded_channel();
        let keeper = Self {
            jobs: send,
            witness: Mutex::new(remembered),
        };
        let task = KeeperTask {
            jobs,
            disk,
            vault,
            board,
            clock,
        };
        (keeper, task)
    }

    /// The newest audit head ever shown.
    pub fn witness(&self) -> Option<Witness> {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a newer audit head.
    pub fn remember(&self, witness: Witness) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
        self.hand(Job::Witness(witness));
    }

    /// The certificate with this serial was welcomed.
    pub fn acknowledge(&self, serial: Serial) {
        self.hand(Job::Acknowledge(serial));
    }

    /// The certificate with this serial was refused.
    pub fn give_up(&self, serial: Serial) {
        self.hand(Job::GiveUp(serial));
    }

    /// These roots are to be trusted from now on.
    pub fn adopt(&self, bundle: TrustBundle) {
        self.hand(Job::Adopt(Box::new(bundle)));
    }

    fn hand(&self, job: Job) {
        // Without a receiver the agent is on its way out.
        let _ = self.jobs.send(job);
    }
}

impl KeeperTask {
    /// Writes until the [`Keeper`] is dropped.
    pub async fn run(mut self) {
        let mut pending = Pending::default();
        loop {
            pending = self.write(pending).await;
            match tokio::time::timeout(PROBE, self.jobs.recv()).await {
                Ok(None) => return,
                Ok(Some(job)) => pending.add(job),
                Err(_) => {}
            }
            while let Ok(job) = self.jobs.try_recv() {
                pending.add(job);
            }
        }
    }

    /// Tries everything once and tells the board; answers what is left.
    async fn write(&self, pending: Pending) -> Pending {
        let (disk, vault) = (Arc::clone(&self.disk), Arc::clone(&self.vault));
        let work = crate::off_thread(move || pending.try_all(disk.as_ref(), &vault));
        tokio::pin!(work);
        let (left, failed) = tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(HANGS_AFTER) => {
                let message = "writing to the state directory hangs; look at its disk (dmesg)";
                self.unwritable("TimedOut", message);
                work.await
            }
        };
        match failed {
            Some(message) => self.unwritable("Failed", &message),
            None => self.board.clear(ConditionType::StateDirUnwritable, ""),
        }
        left
    }

    fn unwritable(&self, reason: &str, message: &str) {
        let kind = ConditionType::StateDirUnwritable;
        if !self.board.standing().iter().any(|c| c.kind == kind) {
            tracing::warn!("{message}");
        }
        self.board
            .raise(kind, "", reason, message, self.clock.now().wall);
    }
}

impl Pending {
    fn add(&mut self, job: Job) {
        match job {
            Job::Acknowledge(serial) => self.acknowledge = Some(serial),
            Job::GiveUp(serial) => self.give_up = Some(serial),
            Job::Adopt(bundle) => self.bundle = Some(bundle),
            Job::Witness(w) => self.witness = Some(w),
        }
    }

    /// Tries all that is left; answers what is still left and the first failure.
    fn try_all(mut self, disk: &dyn Disk, vault: &Vault) -> (Self, Option<String>) {
        let mut failures = Vec::new();
        let vault_error = |e: VaultError| describe(&e);
        if let Some(serial) = self.give_up.take()
            && let Err(e) = vault.give_up_next(serial)
        {
            self.give_up = Some(serial);
            failures.push(vault_error(e));
        }
        if let Some(serial) = self.acknowledge.take()
            && let Err(e) = vault.acknowledge(serial)
        {
            self.acknowledge = Some(serial);
            failures.push(vault_error(e));
        }
        if let Some(bundle) = self.bundle.take()
            && let Err(e) = vault.adopt_bundle(&bundle)
        {
            self.bundle = Some(bundle);
            failures.push(vault_error(e));
        }
        if let Some(w) = self.witness.take() {
            // Two numbers and two hashes: the JSON form always exists.
            let bytes = serde_json::to_vec(&w).unwrap_or_default();
            if let Err(e) = disk.write(witness::FILE, &bytes) {
                self.witness = Some(w);
                failures.push(describe(&e));
            }
        }
        // Also after something was handed over: not every job has to write.
        if failures.is_empty()
            && let Err(e) = disk.probe(PROBE_FILE)
        {
            failures.push(describe(&e));
        }
        (self, failures.into_iter().next())
    }
}

/// The whole chain on one line: a condition's message stands alone.
fn describe(e: &dyn std::error::Error) -> String {
    format!("{}; free some space or repair the disk", crate::chain(e))
}
