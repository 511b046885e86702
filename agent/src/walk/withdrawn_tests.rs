//! An order that is not wanted any more is not forgotten, wherever its agent dies or cannot write.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// As a disk that is full when the withdrawal is to be written into the step log.
#[derive(Debug)]
struct FullOnce {
    tapes: Arc<dyn Tapes>,
    is_full: Arc<AtomicBool>,
}

impl Tapes for FullOnce {
    fn tape(&self, attempt: AttemptId) -> Box<dyn Tape> {
        Box::new(Paper(self.tapes.tape(attempt), Arc::clone(&self.is_full)))
    }

    fn prune(&self, last: AttemptId) -> Result<(), FileError> {
        self.tapes.prune(last)
    }
}

#[derive(Debug)]
struct Paper(Box<dyn Tape>, Arc<AtomicBool>);

impl Tape for Paper {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        self.0.read()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let text = String::from_utf8_lossy(bytes);
        if text.contains("withdrawn") && self.1.swap(false, Ordering::SeqCst) {
            return Err(FileError::Write {
                path: "steps".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.0.append(bytes)
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.0.replace(bytes)
    }
}

#[rstest]
fn a_withdrawal_that_could_not_be_written_into_the_log_is_not_forgotten(
    #[values("preflight", "download", "secure")] during: &'static str,
    #[values(false, true)] reborn: bool,
) {
    let mut lab = Lab::new(false);
    lab.walker.tapes = Arc::new(FullOnce {
        tapes: Arc::clone(&lab.walker.tapes),
        is_full: Arc::new(AtomicBool::new(true)),
    });
    lab.order(&order(1, bash(), BACK));
    let mut between = Meanwhile {
        moment: lab.moment(),
        during,
        order: Some(order(2, vec![], BACK)),
    };
    let walked = lab.walker.walk_between(&mut lab.ledger, &mut between);
    assert!(matches!(walked, Err(WalkError::Log { .. })), "{walked:?}");
    assert_eq!(lab.ledger.book().pending(), None, "it is followed already");
    if reborn {
        lab.ledger = ledger(&lab.dir);
        lab.walker = walker(&lab.dir, &lab.sim);
    }
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Withdrawn"), "{report:?}");
    assert_eq!(lab.acts("transaction "), 0);
}

/// As an agent leaves it that ends when all is secured, and before the next step is in the log.
fn secured(lab: &mut Lab, of: &NodeOrder, steps: &[(State, Event)]) {
    let (attempt, moment) = (of.content.tickets[0].attempt, lab.moment());
    let begin = |b: &mut Book| {
        b.begin(attempt, "preflight", SafePoint::Abort, moment.wall)?;
        b.step(attempt, "secure", SafePoint::Undo, moment.wall)
    };
    lab.ledger.change(begin).expect("begun");
    let now = lab.walker.now(moment).expect("known");
    let boot_id = now.boot_id;
    let mut log = StepLog::open(lab.walker.tapes.tape(attempt)).expect("empty");
    log.write(lab.walker.before(&now)).expect("written");
    for (state, event) in steps {
        log.write(Record::Intent {
            state: *state,
            boot_id,
        })
        .expect("written");
        log.write(Record::Result { event: *event })
            .expect("written");
    }
}

#[test]
fn a_life_that_finds_a_newer_order_before_it_applies_anything_lets_go_of_what_was_secured() {
    let mut lab = Lab::new(false);
    let first = order(1, bash(), BACK);
    lab.order(&first);
    let steps = [
        (State::Preflight, Event::Fit),
        (State::Downloading, Event::Downloaded),
        (State::Securing, Event::Secured),
    ];
    secured(&mut lab, &first, &steps);
    lab.order(&order(2, vec![], BACK));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Withdrawn"), "{report:?}");
    assert_eq!(lab.acts("transaction "), 0);
    let follows = lab.ledger.book().effective().map(|o| o.generation);
    assert_eq!(follows, Some(Generation(2)));
}

#[test]
fn a_boot_that_was_not_asked_for_yet_is_withdrawn_too() {
    let mut lab = Lab::new(false);
    let boot_id = lab.walker.now(lab.moment()).expect("known").boot_id;
    let mut first = order(1, bash(), BACK);
    first.content.patch = None;
    first.content.reboot = Some(RebootWish {
        boot_id_not: boot_id,
        kernel: None,
    });
    first.content.tickets[0].act = Act::Reboot;
    lab.order(&first);
    let steps = [
        (State::Preflight, Event::Fit),
        (State::Securing, Event::Secured),
    ];
    secured(&mut lab, &first, &steps);
    lab.order(&order(2, vec![], BACK));
    let report = lab.walk();
    let got = (report.as_before, report.reason.as_str());
    assert_eq!(got, (true, "Withdrawn"), "{report:?}");
    assert_eq!(lab.acts("reboot"), 0);
}

#[test]
fn what_is_being_applied_goes_on_to_its_end_whoever_does_not_want_it_any_more() {
    let mut lab = Lab::new(true);
    lab.fault("transaction.next unstarted");
    lab.order(&order(1, bash(), BACK));
    while lab.acts("transaction ") == 0 {
        lab.look();
    }
    lab.order(&order(2, vec![], BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let follows = lab.ledger.book().effective().map(|o| o.generation);
    assert_eq!(follows, Some(Generation(2)));
}
