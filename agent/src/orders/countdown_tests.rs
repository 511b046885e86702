//! Countdowns of a BMC that an attempt left.

use super::*;

/// The owner took the leave away after the countdown was armed.
#[rstest]
fn a_countdown_of_an_attempt_is_stopped_also_by_an_agent_that_may_only_observe(
    #[values(false, true)] is_logged: bool,
) {
    use crate::reconcile::patching::boot::timer;
    use crate::reconcile::patching::way::log::{Cover, Record};

    let mut office = Office::new(DomainMode::Observe);
    office.settle();
    let order = office.order(1, true);
    let attempt = order.content.tickets[0].attempt;
    office.send(&order);
    office.settle();
    let disk: Arc<dyn Disk> = office.disk.clone();
    let fresh = h8lio_model::order::LedgerId(Uuid::from_u128(9));
    let (mut ledger, _) = Ledger::open(disk, NODE, fresh).expect("opened");
    let safe = h8lio_model::order::SafePoint::Finish;
    let now = office.sim.clock().now().wall;
    let begun = ledger.change(|b| b.begin(attempt, "boot", safe, now));
    begun.expect("written");
    office.desk.ledger = Some(ledger);
    for line in ["bmc.set 03 01 00 08 70 17", "bmc.start", "bmc.silent"] {
        office.sim.write(line).expect("written");
    }
    office.sim.carry_out_fresh();
    if is_logged {
        let tape = crate::ledger::steps::FileTape::new(office.dir.path(), attempt);
        let mut log = crate::ledger::steps::StepLog::open(tape).expect("opened");
        let boot_id = h8lio_model::ids::BootId(Uuid::from_u128(7));
        let by = Cover::Bmc { seconds: 600 };
        log.write(Record::Covered { boot_id, by }).expect("written");
    }
    let counts = |office: &Office| {
        let said = office.sim.hosts().bmc.timer().expect("an answer");
        timer::read(&said).expect("understood").is_ours()
    };
    office.desk.turn();
    assert_eq!(office.reason(WATCHDOG).is_some(), is_logged);
    office.sim.write("bmc.answers").expect("written");
    office.sim.carry_out_fresh();
    office.desk.left = walk::Countdown::default();
    office.desk.turn();
    assert_eq!(office.reason(WATCHDOG), None);
    assert_eq!(
        counts(&office),
        !is_logged,
        "what no log tells of is left alone"
    );
}
