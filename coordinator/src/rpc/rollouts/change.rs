//! Changes of a rollout that is there: committed together with their entry in the audit log.

use std::sync::Arc;

use h8lio_model::ids::{OperatorName, RolloutName};
use h8lio_model::plan::RolloutState;
use h8lio_proto::v1::control_rollout_request::Act as Asked;
use jiff::Timestamp;
use tonic::Status;

use super::RolloutServer;
use crate::maintenance::rollouts::{RolloutRecord, Rollouts, RolloutsError, Stored, WishRecord};
use crate::rpc::act::Act;
use crate::rpc::status;

/// How often a change is tried again when the record changed meanwhile.
pub(super) const TRIES: usize = 8;

/// What becomes of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Pause,
    Resume,
    Cancel,
}

impl Wish {
    pub(super) fn read(act: Asked) -> Result<Self, Status> {
        match act {
            Asked::Unspecified => Err(Status::invalid_argument(
                "nothing is asked of the rollout; it can be paused, resumed or cancelled",
            )),
            Asked::Pause => Ok(Self::Pause),
            Asked::Resume => Ok(Self::Resume),
            Asked::Cancel => Ok(Self::Cancel),
        }
    }

    /// Its word in the audit log.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }

    /// The reason of the event that tells it.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::Pause => "RolloutPaused",
            Self::Resume => "RolloutResumed",
            Self::Cancel => "RolloutCancelled",
        }
    }

    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }

    /// Writes it into the record. What is so already, and what is over, stays as it is.
    pub(super) fn apply(
        self,
        record: &mut RolloutRecord,
        over: bool,
        by: &OperatorName,
        at: Timestamp,
    ) -> Result<(), Status> {
        let by = by.to_string();
        let wish = &mut record.control.wish;
        match (self, &*wish) {
            (Self::Cancel, WishRecord::Cancel { .. }) => {}
            (_, WishRecord::Cancel { by, .. }) => {
                return Err(Status::failed_precondition(format!(
                    "rollout {} was cancelled by {by}, and does not come back; create a new one",
                    record.spec.name
                )));
            }
            // Everybody is settled: there is nothing to stop, and it stays finished.
            (Self::Pause | Self::Cancel, _) if over => {}
            (Self::Pause, WishRecord::Pause { .. }) => {}
            (Self::Pause, WishRecord::Run) => *wish = WishRecord::Pause { by, at },
            (Self::Resume, _) => *wish = WishRecord::Run,
            (Self::Cancel, _) => *wish = WishRecord::Cancel { by, at },
        }
        Ok(())
    }
}

impl RolloutServer {
    /// Whether the last plan says that it is over.
    pub(super) fn is_finished(&self, name: &RolloutName) -> bool {
        let snapshot = self.0.maintenance.snapshot();
        let report = snapshot.report.as_ref();
        let told = report.and_then(|r| r.rollouts.get(name));
        told.is_some_and(|told| told.state == RolloutState::Finished)
    }

    /// Changes a record under the act's name; answers how it is now, and whether there was
    /// anything to change. What changes nothing is audited too, and tells nobody.
    pub(super) async fn change(
        &self,
        act: &Act,
        stored: Arc<Stored>,
        mut edit: impl FnMut(&mut RolloutRecord) -> Result<(), Status> + Send,
    ) -> Result<(RolloutRecord, bool), Status> {
        let rollouts = &self.0.maintenance.rollouts;
        let mut before = stored;
        for _ in 0..TRIES {
            let mut after = before.record.clone();
            if let Err(no) = edit(&mut after) {
                return Err(act.refuse(&self.0, no).await);
            }
            if after == before.record {
                act.commit(&self.0, Vec::new(), Vec::new()).await?;
                return Ok((after, false));
            }
            let (compares, ops) = Rollouts::replace_ops(&before, &after);
            let done = act.commit(&self.0, ops, compares).await;
            let name = &after.spec.name;
            self.refresh(name).await?;
            match done {
                Ok(()) => {
                    self.0.maintenance.wake();
                    return Ok((after, true));
                }
                Err(e) if e.code() == tonic::Code::Aborted => {
                    before = rollouts.get(name).unwrap_or(before);
                }
                Err(e) => return Err(e),
            }
        }
        Err(act.refuse(&self.0, super::contended()).await)
    }

    /// Memory as the store is.
    pub(super) async fn refresh(&self, name: &RolloutName) -> Result<(), Status> {
        let read = self.0.maintenance.rollouts.refresh(name).await;
        read.map_err(|e| match e {
            RolloutsError::Store(e) => status::store(&e),
            e => {
                let text = status::chain(&e);
                tracing::error!(error = text, "a rollout cannot be read back");
                Status::unavailable(text)
            }
        })
    }
}
