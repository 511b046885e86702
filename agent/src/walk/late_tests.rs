//! Without the coordinator's clock nothing begins.

use super::*;

/// A coordinator of this life, or one that was never heard.
struct Of(Moment, Option<Epoch>);

impl Between for Of {
    fn moment(&mut self) -> Moment {
        self.0
    }

    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        self.1.map(|epoch| CoordinatorNow {
            time: self.0.wall,
            epoch,
        })
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
        .walk_between(&mut lab.ledger, &mut Of(moment, None));
    assert_eq!(walked.expect("no error"), Walked::Idle);
    assert!(lab.ledger.report().running.is_none());
    lab.look();
    let walked = lab
        .walker
        .walk_between(&mut lab.ledger, &mut Of(moment, None));
    assert_ne!(walked.expect("no error"), Walked::Idle);
}

/// Restored from a backup, a coordinator is of an earlier life than some that it knows nothing of.
#[rstest]
fn a_ticket_of_another_life_of_the_coordinator_waits_until_this_one_has_sent_it_again(
    #[values(1, 3)] of: u64,
) {
    let mut lab = Lab::new(false);
    let mut order = order(1, bash(), BACK);
    order.epoch = Epoch(of);
    lab.order(&order);
    let moment = lab.moment();
    for (epoch, begins) in [(2, false), (of, true)] {
        let mut between = Of(moment, Some(Epoch(epoch)));
        let walked = lab.walker.walk_between(&mut lab.ledger, &mut between);
        let is_idle = walked.expect("no error") == Walked::Idle;
        assert_eq!(is_idle, !begins, "in life {epoch}");
    }
}
