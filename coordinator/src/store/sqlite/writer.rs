//! The one thread that writes, with group commit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot, watch};

use super::apply::Batch;
use super::fault::Stop;
use super::{SqliteOptions, open};
use crate::clock::Clock;
use crate::store::error::StoreError;
use crate::store::key::{LeaseId, Revision};
use crate::store::lease::LeaseTable;
use crate::store::txn::{Txn, TxnResult};

/// Most jobs in one commit: bounds how long the first of them waits.
const GROUP: usize = 256;

/// What the writer is asked to do.
pub(super) enum Work {
    Txn(Txn),
    Grant(Duration),
    EndLease(LeaseId),
    Compact(Revision),
}

/// What became of it.
pub(super) enum Done {
    Txn(TxnResult),
    Granted(LeaseId),
    Nothing,
}

type Answer = Result<Done, StoreError>;

/// Work with the one who waits for it.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// Counters since the store was opened.
#[derive(Debug, Default)]
pub struct WriterStats {
    commits: AtomicU64,
    jobs: AtomicU64,
    failures: AtomicU64,
}

impl WriterStats {
    /// Commits made durable.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Transactions and lease calls in these commits.
    pub fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Groups that could not be committed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) options: SqliteOptions,
    /// `None` after a failure that left it unusable, until it could be opened again.
    pub(super) conn: Option<Connection>,
    pub(super) head: watch::Sender<Revision>,
    pub(super) leases: Arc<Mutex<LeaseTable>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stats: Arc<WriterStats>,
    /// What stopped the last group, if it was stopped: said once in the log and not per group.
    pub(super) failing: Option<StoreError>,
}

impl Writer {
    /// Works until the store is dropped and the queue is empty.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            // Whoever came while the last commit was synced shares the next one.
            while group.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
            self.group(group);
        }
    }

    /// Commits a group and answers it. Nobody is told anything before the commit has returned.
    pub(super) fn group(&mut self, group: Vec<Job>) {
        let (work, replies): (Vec<_>, Vec<_>) =
            group.into_iter().map(|job| (job.work, job.reply)).unzip();
        let answers = match self.commit(&work) {
            Ok((answers, revision)) => {
                self.settle_leases(&work, &answers);
                if self.failing.take().is_some() {
                    tracing::info!("the store {} is written again", self.path.display());
                }
                self.stats.commits.fetch_add(1, Ordering::Relaxed);
                let jobs = answers.len() as u64;
                self.stats.jobs.fetch_add(jobs, Ordering::Relaxed);
                let moved = |head: &mut Revision| std::mem::replace(head, revision) != revision;
                self.head.send_if_modified(moved);
                answers
            }
            Err(stop) => {
                self.stats.failures.fetch_add(1, Ordering::Relaxed);
                self.recover();
                let e = stop.at(&self.path);
                if self.failing.as_ref() != Some(&e) {
                    tracing::error!("{e}");
                    self.failing = Some(e.clone());
                }
                work.iter().map(|_| Err(e.clone())).collect()
            }
        };
        for (reply, answer) in replies.into_iter().zip(answers) {
            // A caller that has gone away has its transaction all the same.
            let _ = reply.send(answer);
        }
    }

    /// All of `work` in one commit, or none of it. Refused work leaves no trace and does not
    /// stop the rest.
    fn commit(&mut self, work: &[Work]) -> Result<(Vec<Answer>, Revision), Stop> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(open::reopen(&self.path, self.options)?),
        };
        let mut tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut batch = Batch::load(&tx)?;
        let mut answers = Vec::with_capacity(work.len());
        for w in work {
            let mut attempt = batch.clone();
            let step = tx.savepoint()?;
            match attempt.apply(&step, w) {
                Ok(done) => {
                    step.commit()?;
                    batch = attempt;
                    answers.push(Ok(done));
                }
                Err(Stop::Refused(e)) => {
                    // Undone here and not by dropping: if it cannot be, nothing may be committed.
                    step.finish()?;
                    answers.push(Err(e));
                }
                Err(stop) => return Err(stop),
            }
        }
        batch.forget(&tx, self.options.history)?;
        batch.save(&tx)?;
        tx.commit()?;
        Ok((answers, batch.revision()))
    }

    /// Leaves no transaction open behind a failure.
    fn recover(&mut self) {
        let usable = |c: &Connection| c.is_autocommit() || c.execute_batch("ROLLBACK").is_ok();
        if !self.conn.as_ref().is_some_and(usable) {
            self.conn = None;
        }
    }

    /// Deadlines begin when the lease is durable, and end when its end is.
    fn settle_leases(&self, work: &[Work], answers: &[Answer]) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        for pair in work.iter().zip(answers) {
            match pair {
                (Work::Grant(ttl), Ok(Done::Granted(id))) => {
                    leases.insert(*id, *ttl, self.clock.mono());
                }
                (Work::EndLease(id), Ok(_)) => {
                    leases.remove(*id);
                }
                _ => {}
            }
        }
    }
}
