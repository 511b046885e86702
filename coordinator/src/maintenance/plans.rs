//! The plan in the store.
//!
//! A plan of some thousand nodes is larger than one value of the store, so it lies there in parts,
//! below its own name. The head names the plan that is the target: one small value, replaced by
//! compare-and-set from the parent's, together with the record of the attempts that ended with it.
//! Parts are written before the head and deleted after it, so that whatever is cut off leaves the
//! old plan or the new one, whole.

use std::sync::Arc;

use h8lio_model::plan::{Plan, PlanId};
use h8lio_model::section::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::patience::patiently;
use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::registry::records::{self, BadRecord};
use crate::store::{Compare, KeyRange, KeyValue, Op, Revision, Store, StoreError, Txn};

/// Prefix of the parts of plans.
pub const PLANS: &str = "/h8lio/plan/";
/// Which plan is the target.
pub const HEAD: &str = "/h8lio/plan-head";
/// Bytes of a part: one fits a transaction with room to spare.
const PART: usize = 1 << 19;
/// After so many bytes of plans the store's history is cut: nobody follows the parts of plans, and
/// the history would hold each plan that ever was.
const FORGET_AFTER: usize = 64 << 20;

/// Why a plan could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    #[error("cannot read or write the plan")]
    Store(#[from] StoreError),
    #[error("cannot write the plan with the record of what ended")]
    Audit(#[source] AuditError),
    #[error(transparent)]
    BadRecord(#[from] BadRecord),
    #[error("plan {id} in the store is damaged ({detail}); restore a backup")]
    Damaged { id: PlanId, detail: String },
    #[error("another plan has become the target meanwhile; it is read again")]
    Overtaken,
    #[error("what became of the last write of a plan is not known yet; it is read again")]
    Unsettled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Head {
    id: PlanId,
    parts: usize,
    /// Of all parts together.
    digest: Digest,
}

/// The target, in step with the store.
#[derive(Debug)]
pub struct Plans {
    store: Arc<dyn Store>,
    current: Plan,
    /// The head as it was read or written last; 0: there is none.
    revision: Revision,
    /// A write may or may not have happened: nothing may rest on `current` before it was read.
    unsettled: bool,
    /// There may be parts of plans that are not the target.
    litter: bool,
    since_forgotten: usize,
}

impl Plans {
    /// Reads the target, or begins with an empty plan made at `now`.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds is not whole.
    pub async fn load(store: Arc<dyn Store>, now: Timestamp) -> Result<Self, PlansError> {
        let (current, revision) = match read(store.as_ref()).await? {
            Some((plan, revision)) => (plan, revision),
            None => (Plan::root(now), Revision(0)),
        };
        Ok(Self {
            store,
            current,
            revision,
            unsettled: false,
            litter: true,
            since_forgotten: 0,
        })
    }

    /// The target.
    pub const fn current(&self) -> &Plan {
        &self.current
    }

    /// Whether it has to be read again ([`Plans::settle`]) before anything rests on it.
    pub const fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Finds out what became of a write whose answer was lost.
    ///
    /// # Errors
    /// As [`Plans::load`]; then it is not known still.
    pub async fn settle(&mut self) -> Result<(), PlansError> {
        if let Some((plan, revision)) = read(self.store.as_ref()).await? {
            self.current = plan;
            self.revision = revision;
        }
        self.unsettled = false;
        Ok(())
    }

    /// Makes `plan` the target, if it follows the present one, and records `ended` in the same
    /// transaction.
    ///
    /// # Errors
    /// On an error the old plan is the target, or [`Plans::is_unsettled`].
    pub async fn advance(
        &mut self,
        plan: Plan,
        audit: &AuditLog,
        ended: Option<AuditDraft>,
    ) -> Result<(), PlansError> {
        if self.unsettled {
            return Err(PlansError::Unsettled);
        }
        if plan.parent() != Some(self.current.id()) {
            return Err(PlansError::Overtaken);
        }
        // What earlier tries left goes first: a store that takes parts and refuses the head would
        // fill up with them.
        self.sweep().await?;
        self.litter = true;
        let body = records::write(&plan);
        let parts = self.write_parts(plan.id(), &body).await?;
        let digest = Digest::of(&body);
        let id = plan.id();
        let head = records::write(&Head { id, parts, digest });
        self.unsettled = true;
        self.revision = match self.write_head(head, audit, ended).await {
            Ok(revision) => revision,
            Err(e) => {
                // One that answered that nothing was done can be believed.
                self.unsettled = !is_certain(&e);
                return Err(e);
            }
        };
        self.unsettled = false;
        self.current = plan;
        self.since_forgotten += body.len();
        self.tidy().await;
        Ok(())
    }

    async fn write_parts(&self, id: PlanId, body: &[u8]) -> Result<usize, PlansError> {
        let mut parts = 0;
        for part in body.chunks(PART) {
            let put = Op::put(part_key(id, parts), part.to_vec());
            patiently(self.store.txn(Txn::default().then([put]))).await?;
            parts += 1;
        }
        Ok(parts)
    }

    async fn write_head(
        &self,
        head: Vec<u8>,
        audit: &AuditLog,
        ended: Option<AuditDraft>,
    ) -> Result<Revision, PlansError> {
        let same = Compare::modified_at(HEAD, self.revision);
        let put = Op::put(HEAD, head);
        let Some(draft) = ended else {
            let done = patiently(self.store.txn(Txn::when([same]).then([put]))).await?;
            return match done.succeeded {
                true => Ok(done.revision),
                false => Err(PlansError::Overtaken),
            };
        };
        let recorded = audit.append(draft, vec![put], vec![same]);
        match patiently(async { Ok(recorded.await) }).await? {
            Ok(recorded) => Ok(recorded.revision),
            Err(AuditError::Conflict { .. }) => Err(PlansError::Overtaken),
            Err(e) => Err(PlansError::Audit(e)),
        }
    }

    /// Deletes the parts of all plans but the target. Harmless when repeated.
    ///
    /// # Errors
    /// When the store refuses, or the head is another than was thought.
    pub async fn sweep(&mut self) -> Result<(), PlansError> {
        if self.unsettled {
            return Err(PlansError::Unsettled);
        }
        if !self.litter {
            return Ok(());
        }
        let own = KeyRange::prefix(prefix(self.current.id()));
        let all = KeyRange::prefix(PLANS);
        let (begin, end) = (all.start(), all.end().unwrap_or_default());
        let before = KeyRange::span(begin, own.start());
        let after = KeyRange::span(own.end().unwrap_or_default(), end);
        let txn = Txn::when([Compare::modified_at(HEAD, self.revision)])
            .then([Op::delete_range(before), Op::delete_range(after)]);
        if !patiently(self.store.txn(txn)).await?.succeeded {
            self.unsettled = true;
            return Err(PlansError::Overtaken);
        }
        self.litter = false;
        Ok(())
    }

    /// After a plan became the target. What fails here is done another time.
    async fn tidy(&mut self) {
        if let Err(error) = self.sweep().await {
            tracing::debug!(%error, "parts of the last plan could not be deleted; trying again");
        }
        if self.since_forgotten < FORGET_AFTER {
            return;
        }
        match patiently(self.store.compact(self.revision)).await {
            Ok(()) => self.since_forgotten = 0,
            Err(error) => tracing::debug!(%error, "the store's history could not be cut"),
        }
    }
}

/// Whether an error says that nothing was done. Any other may come after the act.
const fn is_certain(error: &PlansError) -> bool {
    match error {
        PlansError::Store(source) | PlansError::Audit(AuditError::Store { source, .. }) => {
            !matches!(
                source,
                StoreError::Io { .. } | StoreError::Unavailable { .. } | StoreError::Closed { .. }
            )
        }
        // The head is another one, or nobody knows.
        _ => false,
    }
}

fn prefix(id: PlanId) -> String {
    format!("{PLANS}{id}/")
}

fn part_key(id: PlanId, part: usize) -> String {
    format!("{}{part:04}", prefix(id))
}

async fn read(store: &dyn Store) -> Result<Option<(Plan, Revision)>, PlansError> {
    let Some(kv) = patiently(store.get(HEAD)).await? else {
        return Ok(None);
    };
    let head: Head = records::read(HEAD, &kv.value)?;
    let plan = read_parts(store, &head).await?;
    Ok(Some((plan, kv.mod_revision)))
}

async fn read_parts(store: &dyn Store, head: &Head) -> Result<Plan, PlansError> {
    let id = head.id;
    let damaged = |detail: String| PlansError::Damaged { id, detail };
    let mut body = Vec::new();
    for part in 0..head.parts {
        let key = part_key(id, part);
        let kv: Option<KeyValue> = patiently(store.get(&key)).await?;
        let kv = kv.ok_or_else(|| damaged(format!("{key} is missing")))?;
        body.extend_from_slice(&kv.value);
    }
    if Digest::of(&body) != head.digest {
        return Err(damaged(
            "its parts are not those that were written".to_owned(),
        ));
    }
    let plan: Plan = serde_json::from_slice(&body).map_err(|e| damaged(e.to_string()))?;
    match plan.id() == id {
        true => Ok(plan),
        false => Err(damaged(format!("it is plan {}", plan.id()))),
    }
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
