//! What is known of one node's orders: the durable part, and its last words.

use h8lio_model::order::{AttemptId, AttemptReport, LedgerId, OrderReport, Outcome, WITHDRAWN};
use h8lio_model::plan::{Slot, SlotPhase};
use serde::{Deserialize, Serialize};

/// The reason of an attempt whose ledger is lost.
pub const LEDGER_LOST: &str = "LedgerLost";

/// What must survive the coordinator, of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The last ticket that was sent. Written before it is sent, so that no other ledger is ever
    /// sent the same one: it would not know what the first has done of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// How its attempt ended, once that was reported. A terminal end stands for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<AttemptReport>,
}

/// A ticket and whom it was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    pub attempt: AttemptId,
    pub ledger: LedgerId,
}

/// All that is known of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    pub record: Record,
    /// What it said last in this life of the coordinator; `None`: nothing yet, or it is not
    /// connected, so nothing is sent to it.
    pub report: Option<OrderReport>,
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// To be written before the planner is told. `None`: nothing durable has changed.
    pub record: Option<Record>,
    /// Another terminal end than the recorded one. The recorded one stands; a person has to look,
    /// because a ledger never changes such an end.
    pub contradicted: Option<AttemptReport>,
}

impl Known {
    /// What a report changes. Nothing is taken over before it was written: see [`Known::take`].
    pub fn hear(&self, report: &OrderReport) -> Heard {
        let mut record = self.record.clone();
        let mut contradicted = None;
        if let Some(given) = record.given {
            match (report.attempt(given.attempt), &record.end) {
                (Some(said), Some(end)) if end.outcome.is_terminal() => {
                    let differs = said.outcome.is_terminal() && said.outcome != end.outcome;
                    contradicted = differs.then(|| said.clone());
                }
                (Some(said), _) => record.end = Some(said.clone()),
                (None, None) if report.ledger != given.ledger => {
                    record.end = Some(lost(given, report));
                }
                (None, _) => {}
            }
        }
        Heard {
            record: (record != self.record).then_some(record),
            contradicted,
        }
    }

    /// Takes a report over, once what [`Known::hear`] said is written.
    pub fn take(&mut self, report: OrderReport, heard: &Heard) {
        if let Some(record) = &heard.record {
            self.record = record.clone();
        }
        self.report = Some(report);
    }

    /// What the planner may believe: the last report, with the recorded end of the slot's attempt. A
    /// ticket that was taken back before it was sent to anybody was never begun, whatever became of the
    /// ledger that it was made for: its record is written before it is sent.
    pub fn told(&self, slot: Option<&Slot>) -> Option<OrderReport> {
        let mut told = self.report.clone()?;
        if let Some(slot) = slot
            && self.was_never_sent(slot, &told)
        {
            told.attempts.push(never_sent(slot.attempt));
        }
        if let (Some(end), Some(slot)) = (&self.record.end, slot)
            && end.attempt == slot.attempt
        {
            told.attempts.retain(|a| a.attempt != end.attempt);
            told.attempts.push(end.clone());
        }
        Some(told)
    }
}

impl Known {
    /// Nor will be: the node follows an order without it.
    fn was_never_sent(&self, slot: &Slot, report: &OrderReport) -> bool {
        let SlotPhase::Withdrawn { with, .. } = slot.phase else {
            return false;
        };
        let sent = self.record.given.is_some_and(|g| g.attempt == slot.attempt);
        let follows = report.effective.is_some_and(|m| m.generation >= with);
        !sent && follows && report.attempt(slot.attempt).is_none()
    }
}

fn never_sent(attempt: AttemptId) -> AttemptReport {
    AttemptReport {
        attempt,
        outcome: Outcome::Failed,
        as_before: true,
        reason: WITHDRAWN.to_owned(),
        message: "the ticket was taken back before it was sent".to_owned(),
        // Nothing happened.
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// Nobody can say any more how it ended. When the old ledger is found again after all, what stands
/// in it is written over this.
fn lost(given: Given, report: &OrderReport) -> AttemptReport {
    let message = format!(
        "the ledger {} that knew the attempt is lost, and the node keeps {} now; look at the server, \
         then acknowledge the attempt",
        given.ledger, report.ledger
    );
    AttemptReport {
        attempt: given.attempt,
        outcome: Outcome::Unknown,
        as_before: false,
        reason: LEDGER_LOST.to_owned(),
        message,
        // Nobody saw when.
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}
