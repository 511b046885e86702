use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use h8lio_model::ids::{BootId, Incarnation};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, AttemptId, AttemptReport, Epoch, Generation, HeldLease, OnFailure, OrderContent, Outcome,
    PackageChange, PatchTarget, SafePoint, Ticket,
};
use h8lio_model::plan::PlanId;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::book::GoOn;
use super::*;

const NODE: NodeId = NodeId::new(Uuid::from_u128(1));
const LEDGER: LedgerId = LedgerId(Uuid::from_u128(2));

/// A disk in memory that can be full.
#[derive(Debug, Default)]
struct Memory {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    full: Mutex<bool>,
}

impl Memory {
    fn put(&self, name: &str, bytes: &[u8]) {
        let mut files = self.files.lock().expect("whole");
        files.insert(name.to_owned(), bytes.to_vec());
    }

    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.files.lock().expect("whole").get(name).cloned()
    }

    fn fill(&self, full: bool) {
        *self.full.lock().expect("whole") = full;
    }
}

impl Disk for Memory {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        Ok(self.get(name).map(Zeroizing::new))
    }
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        if *self.full.lock().expect("whole") {
            return Err(FileError::Write {
                path: name.into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.put(name, bytes);
        Ok(())
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.files.lock().expect("whole").remove(name);
        Ok(())
    }
    fn probe(&self, _name: &str) -> Result<(), FileError> {
        Ok(())
    }
    fn place(&self, name: &str) -> PathBuf {
        name.into()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("in range")
}

fn attempt(n: u128) -> AttemptId {
    AttemptId(Uuid::from_u128(n))
}

fn target(version: &str) -> PatchTarget {
    PatchTarget::new(vec![PackageChange {
        name: "bash".parse().expect("valid"),
        architecture: "amd64".parse().expect("valid"),
        from: Some("1.0".parse().expect("valid")),
        to: version.parse().expect("valid"),
    }])
    .expect("one package")
}

fn quiet(generation: u64) -> NodeOrder {
    NodeOrder {
        node: NODE,
        ledger: LEDGER,
        epoch: Epoch(1),
        generation: Generation(generation),
        incarnation: Incarnation(Uuid::from_u128(3)),
        plan: PlanId(Uuid::from_u128(4)),
        content: OrderContent::quiet(Scheduling::Active),
    }
}

/// An order to bring bash to `version` in attempt `n`.
fn patch(generation: u64, n: u128, version: &str) -> NodeOrder {
    let mut order = quiet(generation);
    order.content.patch = Some(target(version));
    order.content.tickets = vec![Ticket {
        attempt: attempt(n),
        act: Act::Patch,
        on_failure: OnFailure::FallBackOnce,
        begin_before: jiff::Timestamp::MAX,
    }];
    order
}

fn ended(n: u128, outcome: Outcome) -> AttemptReport {
    AttemptReport {
        attempt: attempt(n),
        outcome,
        as_before: false,
        reason: "Test".into(),
        message: "a test ended it".into(),
        at: at(9),
    }
}

fn open(disk: &Arc<Memory>) -> (Ledger, Opened) {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    Ledger::open(disk, NODE, LEDGER).expect("opened")
}

fn fresh() -> (Arc<Memory>, Ledger) {
    let disk = Arc::new(Memory::default());
    let (ledger, opened) = open(&disk);
    assert_eq!(opened, Opened::New);
    (disk, ledger)
}

/// What the next start finds is what is in memory.
fn assert_durable(disk: &Arc<Memory>, ledger: &Ledger) {
    let (again, opened) = open(disk);
    assert_eq!(opened, Opened::Kept);
    assert_eq!(again.book(), ledger.book());
}

fn no(answer: Result<impl std::fmt::Debug, LedgerError>) -> NotNow {
    match answer.expect_err("refused") {
        LedgerError::NotNow(why) => why,
        other => panic!("{other}"),
    }
}

#[test]
fn an_order_is_on_disk_before_it_is_followed() {
    let (disk, mut ledger) = fresh();
    assert_eq!(
        ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken"),
        Accepted::Effective
    );
    assert_durable(&disk, &ledger);
    assert_eq!(ledger.book().due().map(|t| t.attempt), Some(attempt(10)));

    disk.fill(true);
    let error = ledger
        .accept(&patch(2, 11, "3.0"), at(2))
        .expect_err("the disk is full");
    assert!(matches!(error, LedgerError::Save(_)), "{error}");
    assert_eq!(
        ledger.book().effective().map(|o| o.generation),
        Some(Generation(1))
    );
    let begun = ledger.change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(3)));
    assert!(matches!(begun, Err(LedgerError::Save(_))), "{begun:?}");
    assert!(
        ledger.book().running().is_none(),
        "nothing begins that a crash could lose"
    );
    disk.fill(false);
    assert_durable(&disk, &ledger);
}

#[test]
fn an_order_that_is_sent_again_changes_nothing_and_writes_nothing() {
    let (disk, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    disk.fill(true);
    let again = ledger
        .accept(&patch(1, 10, "2.0"), at(2))
        .expect("no write is needed");
    assert_eq!(again, Accepted::Repeat);
}

/// scenario: 12, 13 (unit)
#[test]
fn an_order_that_the_rule_refuses_changes_nothing_and_is_reported() {
    let (disk, mut ledger) = fresh();
    ledger.accept(&patch(5, 10, "2.0"), at(1)).expect("taken");
    let mut foreign = patch(6, 11, "3.0");
    foreign.incarnation = Incarnation(Uuid::from_u128(99));
    for (order, word) in [
        (patch(4, 11, "3.0"), "Older"),
        (patch(5, 11, "3.0"), "OtherContent"),
        (foreign, "AnotherIncarnation"),
    ] {
        let why = no(ledger.accept(&order, at(2)));
        assert!(
            matches!(why, NotNow::Refused(ref r) if r.word() == word),
            "{why}"
        );
        let refused = ledger.report().refused.expect("reported");
        assert_eq!((refused.reason.as_str(), refused.at), (word, at(2)));
        assert_eq!(
            ledger.book().effective().map(|o| o.generation),
            Some(Generation(5))
        );
    }
    assert_durable(&disk, &ledger);
}

#[test]
fn a_newer_order_waits_for_the_safe_point_and_both_are_reported() {
    let (disk, mut ledger) = fresh();
    let (first, second) = (patch(1, 10, "2.0"), quiet(2));
    ledger.accept(&first, at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
        .expect("begun");
    let accepted = ledger.accept(&second, at(3)).expect("taken");
    assert_eq!(accepted, Accepted::Pending(SafePoint::Finish));
    assert_durable(&disk, &ledger);
    let report = ledger.report();
    assert_eq!(report.effective, Some(first.mark()));
    assert_eq!(report.pending, Some(second.mark()));
    let running = report.running.expect("running");
    assert_eq!(
        (running.step.as_str(), running.safe_point),
        ("apply", SafePoint::Finish)
    );

    let step = ledger.change(|b| b.step(attempt(10), "secure", SafePoint::Undo, at(4)));
    assert_eq!(no(step), NotNow::GiveWay);
    ledger
        .change(|b| b.step(attempt(10), "boot", SafePoint::Finish, at(4)))
        .expect("half of it is worse than none");
    let goes = ledger.change(|b| Ok(b.safe_point())).expect("saved");
    assert_eq!(goes, GoOn::Withdrawn, "the newer order has no ticket");
    assert_eq!(ledger.report().effective, Some(second.mark()));
    assert!(
        ledger.book().running().is_some(),
        "it is still the attempt's to end"
    );
    ledger
        .change(|b| b.end(ended(10, Outcome::Failed)))
        .expect("ended");
    assert!(ledger.book().running().is_none());
    assert_durable(&disk, &ledger);
}

#[test]
fn an_attempt_goes_on_when_the_newer_order_wants_the_very_same_of_it() {
    let (_, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "download", SafePoint::Abort, at(2)))
        .expect("begun");
    let mut cordoned = patch(2, 10, "2.0");
    cordoned.content.scheduling = Scheduling::Draining;
    ledger.accept(&cordoned, at(3)).expect("taken");
    assert_eq!(
        ledger.change(|b| Ok(b.safe_point())).expect("saved"),
        GoOn::Yes
    );
    ledger
        .change(|b| b.step(attempt(10), "apply", SafePoint::Finish, at(4)))
        .expect("nothing waits any more");
    ledger.accept(&patch(3, 10, "9.9"), at(5)).expect("taken");
    let goes = ledger.change(|b| Ok(b.safe_point())).expect("saved");
    assert_eq!(
        goes,
        GoOn::Withdrawn,
        "the same attempt id for something else"
    );
}

#[test]
fn of_several_orders_that_wait_only_the_newest_is_followed_and_none_older_is_taken_back() {
    let (_, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
        .expect("begun");
    ledger.accept(&quiet(3), at(3)).expect("taken");
    let why = no(ledger.accept(&quiet(2), at(3)));
    assert!(
        matches!(why, NotNow::Refused(ref r) if r.word() == "Older"),
        "{why}"
    );
    ledger.accept(&patch(4, 11, "3.0"), at(4)).expect("taken");
    ledger
        .change(|b| b.end(ended(10, Outcome::Done)))
        .expect("ended");
    assert_eq!(
        ledger.book().effective().map(|o| o.generation),
        Some(Generation(4))
    );
    assert!(ledger.book().pending().is_none());
    assert_eq!(ledger.book().due().map(|t| t.attempt), Some(attempt(11)));
}

#[test]
fn an_attempt_that_ended_is_latched_for_ever_and_only_a_new_id_tries_again() {
    for outcome in [Outcome::Done, Outcome::Failed, Outcome::RolledBack] {
        let (disk, mut ledger) = fresh();
        ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
        ledger
            .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
            .expect("begun");
        ledger.change(|b| b.end(ended(10, outcome))).expect("ended");
        ledger
            .change(|b| b.end(ended(10, outcome)))
            .expect("the same end again");
        assert!(ledger.book().due().is_none());
        // The same attempt in a newer order, after a restart: nothing to do.
        let (mut ledger, _) = open(&disk);
        ledger.accept(&patch(2, 10, "2.0"), at(3)).expect("taken");
        assert!(ledger.book().due().is_none());
        let again = ledger.change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(4)));
        assert_eq!(
            no(again),
            NotNow::Latched {
                attempt: attempt(10),
                outcome
            }
        );
        for other in Outcome::ALL.into_iter().filter(|o| *o != outcome) {
            let why = no(ledger.change(|b| b.end(ended(10, other))));
            assert!(matches!(why, NotNow::Latched { .. }), "{why}");
        }
        ledger.accept(&patch(3, 11, "2.0"), at(5)).expect("taken");
        assert_eq!(ledger.book().due().map(|t| t.attempt), Some(attempt(11)));
    }
}

#[test]
fn an_end_that_was_not_seen_is_not_tried_again_and_gives_way_to_what_was_observed() {
    let (_, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
        .expect("begun");
    ledger
        .change(|b| b.end(ended(10, Outcome::Unknown)))
        .expect("ended");
    assert!(ledger.book().due().is_none());
    ledger
        .change(|b| b.end(ended(10, Outcome::RolledBack)))
        .expect("observed");
    assert_eq!(
        ledger.book().outcome(attempt(10)),
        Some(Outcome::RolledBack)
    );
    let why = no(ledger.change(|b| b.end(ended(10, Outcome::Done))));
    assert!(matches!(why, NotNow::Latched { .. }), "{why}");
}

#[test]
fn hundreds_of_attempts_are_remembered_and_the_ledger_stays_readable() {
    let (disk, mut ledger) = fresh();
    for n in 1..=300 {
        ledger
            .accept(&patch(n, u128::from(n), "2.0"), at(1))
            .expect("taken");
        let id = attempt(u128::from(n));
        ledger
            .change(|b| b.begin(id, "apply", SafePoint::Finish, at(2)))
            .expect("begun");
        let mut report = ended(u128::from(n), Outcome::Failed);
        report.message = "ü".repeat(5000);
        ledger.change(|b| b.end(report)).expect("ended");
    }
    assert_durable(&disk, &ledger);
    assert_eq!(ledger.book().outcome(attempt(1)), Some(Outcome::Failed));
    assert!(disk.get(FILE).expect("there").len() < 64 << 10);
    // A ticket that ended long ago and is sent again is answered.
    ledger.accept(&patch(301, 1, "2.0"), at(3)).expect("taken");
    assert!(ledger.book().due().is_none());
    let report = ledger.report();
    let told = report.attempt(attempt(1)).expect("named by the order");
    assert_eq!(
        (told.outcome, told.reason.as_str()),
        (Outcome::Failed, "EndedBefore")
    );
}

#[test]
fn an_order_too_long_to_be_read_again_is_not_taken() {
    let (disk, mut ledger) = fresh();
    let change = |n: u32| PackageChange {
        name: format!("{}{n}", "p".repeat(110)).parse().expect("valid"),
        architecture: "amd64".parse().expect("valid"),
        from: None,
        to: "1".repeat(100).parse().expect("valid"),
    };
    let mut order = patch(1, 10, "2.0");
    order.content.patch = Some(PatchTarget::new((0..5000).map(change).collect()).expect("many"));
    let error = ledger.accept(&order, at(1)).expect_err("too long");
    assert!(matches!(error, LedgerError::TooLarge(_)), "{error}");
    assert!(ledger.book().effective().is_none());
    assert_durable(&disk, &ledger);
}

#[test]
fn what_a_newer_order_does_not_mention_stays_as_it_is() {
    let (disk, mut ledger) = fresh();
    let boot = BootId(Uuid::from_u128(5));
    let mut first = patch(1, 10, "2.0");
    first.content.leases = vec![HeldLease {
        resource: "public-ip/192.0.2.7".parse().expect("valid"),
        boot_id: boot,
        expires_at: at(100),
    }];
    ledger.accept(&first, at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
        .expect("begun");
    ledger
        .change(|b| b.end(ended(10, Outcome::Done)))
        .expect("ended");
    ledger.accept(&quiet(2), at(3)).expect("taken");
    assert_eq!(ledger.book().outcome(attempt(10)), Some(Outcome::Done));
    assert_eq!(
        ledger.book().leases(boot, at(99)).count(),
        1,
        "omission takes no lease"
    );
    assert_eq!(ledger.book().leases(boot, at(100)).count(), 0, "time does");
    let other = BootId(Uuid::from_u128(6));
    assert_eq!(
        ledger.book().leases(other, at(99)).count(),
        0,
        "and another boot"
    );
    assert_durable(&disk, &ledger);
}

#[test]
fn nothing_begins_that_is_not_ordered_or_beside_another() {
    let (_, mut ledger) = fresh();
    let begin = |ledger: &mut Ledger, n| {
        ledger.change(|b| b.begin(attempt(n), "apply", SafePoint::Finish, at(2)))
    };
    assert_eq!(
        no(begin(&mut ledger, 10)),
        NotNow::ObserveOnly { lost: None }
    );
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    assert_eq!(no(begin(&mut ledger, 11)), NotNow::NotOrdered(attempt(11)));
    begin(&mut ledger, 10).expect("ordered");
    assert_eq!(
        no(begin(&mut ledger, 10)),
        NotNow::Busy {
            running: attempt(10)
        }
    );
    let why = no(ledger.change(|b| b.end(ended(11, Outcome::Done))));
    assert_eq!(why, NotNow::NotRunning(attempt(11)));
}

#[test]
fn a_running_attempt_is_found_again_after_a_crash_with_what_it_was_begun_for() {
    let (disk, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    ledger
        .change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)))
        .expect("begun");
    ledger.accept(&patch(2, 11, "3.0"), at(3)).expect("waits");
    drop(ledger);
    let (ledger, opened) = open(&disk);
    assert_eq!(opened, Opened::Kept);
    let (ticket, content) = ledger.book().running().expect("running");
    assert_eq!(
        (ticket.attempt, &content.patch),
        (attempt(10), &Some(target("2.0")))
    );
    assert!(ledger.book().due().is_none(), "the newer one waits");
}

#[test]
fn a_damaged_ledger_is_put_aside_and_only_an_order_for_the_new_one_ends_the_observing() {
    let (disk, mut ledger) = fresh();
    ledger.accept(&patch(1, 10, "2.0"), at(1)).expect("taken");
    let whole = disk.get(FILE).expect("there");
    let mut flipped = whole.clone();
    let last = flipped.len() - 3;
    flipped[last] ^= 1;
    let foreign = {
        let disk = Arc::new(Memory::default());
        let other = NodeId::new(Uuid::from_u128(77));
        Ledger::open(Arc::clone(&disk) as _, other, LEDGER).expect("opened");
        disk.get(FILE).expect("there")
    };
    let cuts = [0, 1, 64, 65, whole.len() / 2, whole.len() - 1];
    let mut unusable: Vec<Vec<u8>> = cuts.iter().map(|n| whole[..*n].to_vec()).collect();
    unusable.extend([vec![0; whole.len()], flipped, foreign]);
    for bytes in unusable {
        disk.put(FILE, &bytes);
        let new = LedgerId(Uuid::from_u128(20));
        let (mut ledger, opened) =
            Ledger::open(Arc::clone(&disk) as _, NODE, new).expect("a new one");
        assert!(matches!(opened, Opened::Lost { .. }), "{opened:?}");
        assert_eq!(disk.get(LOST), Some(bytes));
        let begun = ledger.change(|b| b.begin(attempt(10), "apply", SafePoint::Finish, at(2)));
        let why = no(begun);
        assert!(
            why.to_string().contains("the ledger before was lost ("),
            "{why}"
        );
        let why = no(ledger.accept(&patch(7, 10, "2.0"), at(3)));
        assert!(
            matches!(why, NotNow::Refused(ref r) if r.word() == "AnotherLedger"),
            "{why}"
        );
        assert_eq!(
            (ledger.report().ledger, ledger.report().effective),
            (new, None)
        );
        let mut knowing = patch(8, 12, "2.0");
        knowing.ledger = new;
        ledger.accept(&knowing, at(4)).expect("a fresh order");
        assert_eq!(ledger.book().due().map(|t| t.attempt), Some(attempt(12)));
    }
}

#[test]
fn a_ledger_of_a_newer_agent_is_not_replaced() {
    let (disk, _) = fresh();
    let body = br#"{"format":2,"news":true}"#;
    let mut bytes = hex::encode(Digest::of(body).0).into_bytes();
    bytes.extend([b"\n", &body[..], b"\n"].concat());
    disk.put(FILE, &bytes);
    let error = Ledger::open(Arc::clone(&disk) as _, NODE, LEDGER).expect_err("newer");
    assert!(matches!(error, LedgerError::Newer(2)), "{error}");
    assert_eq!(disk.get(FILE), Some(bytes));
}

#[test]
fn a_new_ledger_that_cannot_be_written_is_no_ledger() {
    let disk = Arc::new(Memory::default());
    disk.fill(true);
    let error = Ledger::open(Arc::clone(&disk) as _, NODE, LEDGER).expect_err("full");
    assert!(matches!(error, LedgerError::Save(_)), "{error}");
}
