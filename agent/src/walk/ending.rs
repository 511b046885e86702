//! How an attempt ends: its report, in words, latched in the ledger.

use h8lio_model::order::{AttemptReport, Outcome};

use super::silence::No;
use super::subject::Subject;
use super::{WalkError, Walked, Walker};
use crate::clock::Moment;
use crate::ledger::Ledger;
use crate::reconcile::patching::way::log::Position;
use crate::reconcile::patching::way::machine::{End, State, Why};

impl Walker {
    pub(super) fn end(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        here: &Position,
        moment: Moment,
    ) -> Result<Walked, WalkError> {
        let State::Ended(mut end) = here.state else {
            return self.unknown(ledger, subject, "its step log ends nowhere", moment);
        };
        end.as_before &= !here.repaired;
        let report = AttemptReport {
            attempt: subject.attempt,
            outcome: end.outcome,
            as_before: end.as_before,
            reason: reason(end),
            message: message(end, &self.note),
            at: moment.wall,
        };
        let walked = self.latch(ledger, report)?;
        if end.outcome == Outcome::Done {
            self.clean(subject);
        }
        Ok(walked)
    }

    pub(super) fn unknown(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        why: &str,
        moment: Moment,
    ) -> Result<Walked, WalkError> {
        let attempt = subject.attempt;
        let since = *self.unseen.get_or_insert(moment.steady);
        if let Err(No::Silent(no) | No::Busy(no) | No::Said(no)) = self.lets_go_unseen() {
            self.warn_once(format!("what boots is not as before yet: {no}"));
            if moment.steady.saturating_sub(since) < self.patience.lock {
                ledger.doing(Some(no));
                let step = "let-go";
                return Ok(Walked::Waiting { attempt, step });
            }
        }
        self.unseen = None;
        let report = AttemptReport {
            attempt: subject.attempt,
            outcome: Outcome::Unknown,
            as_before: false,
            reason: "LogDamaged".to_owned(),
            message: format!("{why}; what was done on the server has to be looked at by a person"),
            at: moment.wall,
        };
        self.latch(ledger, report)
    }

    fn latch(&mut self, ledger: &mut Ledger, report: AttemptReport) -> Result<Walked, WalkError> {
        let told = report.clone();
        ledger.change(|b| b.end(told))?;
        self.begun = None;
        self.note.clear();
        Ok(Walked::Ended(report))
    }
}

fn reason(end: End) -> String {
    match end.why {
        Why::Back(cause) => format!("{cause:?}"),
        why => format!("{why:?}"),
    }
}

fn message(end: End, note: &str) -> String {
    let what = match (end.outcome, end.as_before) {
        (Outcome::Done, _) => "the server has what was ordered and is well",
        (Outcome::RolledBack, true) => "the server was not well and is as it was before",
        (Outcome::RolledBack, false) => {
            "the server was not well and is back; what came anew or was repaired stays"
        }
        (_, true) => "nothing was changed",
        (_, false) => "the server stays as it is until a person or a new order comes",
    };
    match note.is_empty() {
        true => what.to_owned(),
        false => format!("{note}; {what}"),
    }
}
