//! After an attempt: a person has looked at its end, or lets the node try once more.

use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::plan::{NodeProgress, NodeState};
use jiff::Timestamp;
use tonic::Status;
use uuid::Uuid;

use super::refusal::NotSettled;
use super::show::SlotNow;
use crate::maintenance::Snapshot;
use crate::maintenance::rollouts::{AcknowledgedRecord, RolloutRecord, WishRecord};

/// What a person has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    /// `None`: the one in the node's slot.
    pub(super) attempt: Option<AttemptId>,
    pub(super) outcome: Outcome,
}

impl Looked {
    pub(super) fn read(attempt: &str, outcome: &str) -> Result<Self, Status> {
        let known = Outcome::ALL.into_iter().find(|o| o.as_str() == outcome);
        let outcome = known.ok_or_else(|| {
            let words = Outcome::ALL.map(Outcome::as_str).join(", ");
            let given: String = outcome.chars().take(80).collect();
            Status::invalid_argument(format!(
                "{given:?} is no outcome of an attempt; say which one was looked at: {words}"
            ))
        })?;
        let id = |text| {
            Uuid::try_parse(text).map_err(|_| {
                let given: String = attempt.chars().take(80).collect();
                Status::invalid_argument(format!(
                    "{given:?} is no attempt id; `h8lctl rollout show` shows them"
                ))
            })
        };
        let attempt = match attempt {
            "" => None,
            text => Some(AttemptId(id(text)?)),
        };
        Ok(Self { attempt, outcome })
    }
}

/// The node that a person speaks about, as the last plan has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) id: NodeId,
    pub(super) name: &'a NodeName,
}

impl Place<'_> {
    /// Notes that a person has looked at how the attempt in the node's slot ended: at exactly this
    /// attempt and this outcome.
    pub(super) fn acknowledge(
        &self,
        record: &mut RolloutRecord,
        looked: &Looked,
        by: &str,
        at: Timestamp,
    ) -> Result<(), NotSettled> {
        if self.is_acknowledged(record, looked) {
            return Ok(());
        }
        let progress = self.progress(record)?;
        let node = self.name.clone();
        let now = SlotNow::of(&self.snapshot.plan, &self.snapshot.inventory, self.id);
        let Some(now) = now else {
            return Err(NotSettled::NoSlot {
                node,
                rollout: record.spec.name.clone(),
                is: progress.state,
            });
        };
        if now.slot.rollout != record.spec.name {
            let holder = now.slot.rollout.clone();
            return Err(NotSettled::AnotherRollout { node, holder });
        }
        let attempt = now.slot.attempt;
        if let Some(asked) = looked.attempt.filter(|asked| *asked != attempt) {
            return Err(NotSettled::AnotherAttempt {
                node,
                rollout: record.spec.name.clone(),
                now: attempt,
                asked,
            });
        }
        match now.outcome {
            None => {
                let step = now.running.map(|r| r.step.clone());
                Err(NotSettled::NotEnded {
                    node,
                    attempt,
                    step,
                })
            }
            Some(outcome) if outcome != looked.outcome => Err(NotSettled::AnotherOutcome {
                node,
                attempt,
                now: outcome,
                asked: looked.outcome,
            }),
            Some(outcome) => {
                record.control.acknowledged.push(AcknowledgedRecord {
                    node: self.id,
                    attempt,
                    outcome,
                    by: by.to_owned(),
                    at,
                });
                Ok(())
            }
        }
    }

    /// Said before. Where no attempt is named, the one in the slot is meant, or the last one that
    /// was acknowledged when there is no slot any more.
    fn is_acknowledged(&self, record: &RolloutRecord, looked: &Looked) -> bool {
        let own = record.control.acknowledged.iter();
        let mut own = own.filter(|a| a.node == self.id);
        let slot = self.snapshot.plan.content().slots.get(&self.id);
        match looked.attempt.or(slot.map(|s| s.attempt)) {
            Some(id) => own.any(|a| (a.attempt, a.outcome) == (id, looked.outcome)),
            None => own.next_back().is_some_and(|a| a.outcome == looked.outcome),
        }
    }

    /// Lets a node that failed try once more than it has.
    pub(super) fn retry(&self, record: &mut RolloutRecord) -> Result<(), NotSettled> {
        let progress = self.progress(record)?;
        let (node, rollout) = (self.name.clone(), record.spec.name.clone());
        if let WishRecord::Cancel { by, .. } = &record.control.wish {
            let by = by.clone();
            return Err(NotSettled::Cancelled { rollout, by });
        }
        let allowed = record.control.retries.get(&self.id).copied();
        // Said before, and the plan has taken it up: it waits for its turn again.
        let again = allowed.is_some_and(|tries| tries >= progress.tries);
        if again && progress.state == NodeState::Waiting {
            return Ok(());
        }
        if progress.state == NodeState::Waiting && self.is_held() {
            // It went back in another rollout, and what it went back from is let go.
            record.control.retries.insert(self.id, progress.tries);
            return Ok(());
        }
        if !progress.state.is_failure() {
            let is = progress.state;
            return Err(NotSettled::DidNotFail { node, rollout, is });
        }
        let slot = self.snapshot.plan.content().slots.get(&self.id);
        if slot.is_some_and(|slot| slot.rollout == rollout) {
            let now = SlotNow::of(&self.snapshot.plan, &self.snapshot.inventory, self.id);
            return Err(NotSettled::SlotStands {
                node,
                rollout,
                outcome: now.and_then(|n| n.outcome).unwrap_or(Outcome::Unknown),
            });
        }
        record.control.retries.insert(self.id, progress.tries);
        Ok(())
    }

    /// Whether it holds packages by itself since a fallback.
    fn is_held(&self) -> bool {
        let node = self.snapshot.inventory.get(self.id);
        let orders = node.and_then(|n| n.orders.as_ref());
        orders.is_some_and(|fact| !fact.value.holds.is_empty())
    }

    fn progress(&self, record: &RolloutRecord) -> Result<NodeProgress, NotSettled> {
        if let Some(because) = &self.snapshot.frozen {
            return Err(NotSettled::Frozen {
                because: because.clone(),
            });
        }
        let rollout = &record.spec.name;
        let progress = self.snapshot.plan.content().rollouts.get(rollout);
        let node = progress.and_then(|p| p.nodes.get(&self.id));
        node.copied().ok_or_else(|| NotSettled::NoPart {
            node: self.name.clone(),
            rollout: rollout.clone(),
        })
    }
}
