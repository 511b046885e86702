//! A ticket has its time: what it was ordered on (a window, mates that are up, nobody's veto) is not
//! true for ever.

use h8lio_model::order::{AttemptReport, Outcome, SafePoint, TOO_LATE, Ticket};

use super::{WalkError, Walked};
use crate::clock::Moment;
use crate::ledger::Ledger;
use crate::ledger::book::Book;
use crate::report::CoordinatorNow;

/// Whether the attempt that waits may begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MayBegin {
    /// Or nothing waits, or it has begun long ago.
    Yes,
    /// The coordinator is not there, or has not said yet, in this life of its own, that it still
    /// stands by the order.
    NotYet,
    /// Never again.
    TooLate(Ticket),
}

/// The time and the epoch are the coordinator's: its clock is the one that windows are kept by.
pub(super) fn may_begin(book: &Book, coordinator: Option<CoordinatorNow>) -> MayBegin {
    let due = book.due().zip(book.effective());
    let Some((ticket, order)) = due else {
        return MayBegin::Yes;
    };
    match coordinator {
        None => MayBegin::NotYet,
        Some(now) if now.time >= ticket.begin_before => MayBegin::TooLate(*ticket),
        // Also one of a later life: the coordinator was restored from before it, and knows nothing of it.
        Some(now) if now.epoch != order.epoch => MayBegin::NotYet,
        Some(_) => MayBegin::Yes,
    }
}

/// Latches an attempt that is not begun, in one write: there is no moment in which it runs.
pub(super) fn refuse(
    ledger: &mut Ledger,
    ticket: &Ticket,
    moment: Moment,
) -> Result<Walked, WalkError> {
    let report = AttemptReport {
        attempt: ticket.attempt,
        outcome: Outcome::Failed,
        as_before: true,
        reason: TOO_LATE.to_owned(),
        message: format!(
            "it was to begin before {}, by the coordinator's clock, and was not begun; nothing was \
             changed",
            ticket.begin_before
        ),
        at: moment.wall,
    };
    let told = report.clone();
    ledger.change(|book| {
        book.begin(ticket.attempt, "preflight", SafePoint::Abort, moment.wall)?;
        book.end(told)
    })?;
    Ok(Walked::Ended(report))
}
