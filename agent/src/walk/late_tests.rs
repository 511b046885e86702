//! Without the coordinator's clock nothing begins.

use super::*;

/// A coordinator that was never heard.
struct Unheard(Moment);

impl Between for Unheard {
    fn moment(&mut self) -> Moment {
        self.0
    }

    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        None
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn take(&mut self, _: &mut Ledger) {}
}

#[test]
fn nothing_begins_while_the_coordinators_clock_is_not_known_and_what_has_begun_goes_on() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), OnFailure::FallBackOnce));
    let moment = lab.moment();
    let walked = lab
        .walker
        .walk_between(&mut lab.ledger, &mut Unheard(moment));
    assert_eq!(walked.expect("no error"), Walked::Idle);
    assert!(lab.ledger.report().running.is_none());
    lab.look();
    let walked = lab
        .walker
        .walk_between(&mut lab.ledger, &mut Unheard(moment));
    assert_ne!(walked.expect("no error"), Walked::Idle);
}
