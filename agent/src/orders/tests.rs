//! Turns of the desk over a simulated server, without a session: its signals are the test's.

#[path = "countdown_tests.rs"]
mod countdown;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use h8lio_model::ids::Incarnation;
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, AttemptId, Epoch, Generation, NodeOrder, OnFailure, OrderContent, OrderReport, Outcome,
    PackageChange, PatchTarget, Ticket,
};
use h8lio_model::plan::PlanId;
use h8lio_model::section::SectionKind;
use h8lio_tls::files::FileError;
use rstest::rstest;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::voice::{ATTEMPT, LEDGER, ORDER, WATCHDOG};
use super::*;
use crate::entropy::SystemEntropy;
use crate::identity::PrivateFolder;
use crate::ledger::Ledger;
use crate::report::ClockOffset;
use crate::sim::SimServer;

const NODE: NodeId = NodeId::new(Uuid::from_u128(1));

const SERVER: &str = "hostname = \"s1\"\n[[nic]]\nname = \"eno1\"\nmac = \"02:00:00:00:00:01\"\n\
                      [[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n";

/// A disk that can be full.
#[derive(Debug)]
struct Tight {
    real: PrivateFolder,
    full: AtomicBool,
}

impl Disk for Tight {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.real.read(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(FileError::Write {
                path: name.into(),
                source: std::io::ErrorKind::StorageFull.into(),
            }),
            false => self.real.write(name, bytes),
        }
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.real.remove(name)
    }

    fn probe(&self, name: &str) -> Result<(), FileError> {
        self.real.probe(name)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.real.place(name)
    }
}

struct Office {
    dir: tempfile::TempDir,
    sim: SimServer,
    disk: Arc<Tight>,
    desk: Desk,
    board: Arc<Board>,
    sections: watch::Receiver<Sections>,
    order: watch::Sender<Option<Vec<u8>>>,
    coordinator: watch::Sender<Option<String>>,
    restricted: watch::Sender<Option<String>>,
    shared: Arc<Shared>,
}

impl Office {
    fn new(mode: DomainMode) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("s1.toml"), SERVER).expect("written");
        let sim = SimServer::load(&dir.path().join("s1.toml"), dir.path()).expect("a server");
        let disk = Arc::new(Tight {
            real: PrivateFolder::new(dir.path()),
            full: AtomicBool::new(false),
        });
        let board = Arc::new(Board::default());
        let (publish, sections) = watch::channel(Sections::default());
        let (order, coordinator) = (watch::Sender::new(None), watch::Sender::new(None));
        let restricted = watch::Sender::new(None);
        let setup = Setup {
            disk: disk.clone(),
            mode,
            ..setup(&dir, &sim, &board, publish)
        };
        let shared = Arc::clone(&setup.shared);
        let signals = Signals {
            order: order.subscribe(),
            coordinator: coordinator.subscribe(),
            restricted: restricted.subscribe(),
            frozen: sim.frozen(),
        };
        coordinator.send_replace(Some("c1".to_owned()));
        Self {
            desk: Desk::new(setup, signals, watch::channel(false).1),
            dir,
            sim,
            disk,
            board,
            sections,
            order,
            coordinator,
            restricted,
            shared,
        }
    }

    /// What is published.
    fn report(&self) -> Option<OrderReport> {
        let sections = self.sections.borrow();
        let held = sections.get(&SectionKind::Orders)?;
        Some(serde_json::from_slice(&held.section.body).expect("a report"))
    }

    /// Reason and message of the condition about `subject`.
    fn complaint(&self, subject: &str) -> Option<(String, String)> {
        let all = self.board.standing();
        let found = all.into_iter().find(|c| c.subject == subject)?;
        Some((found.reason, found.message))
    }

    fn reason(&self, subject: &str) -> Option<String> {
        self.complaint(subject).map(|(reason, _)| reason)
    }

    /// An order for the ledger that is kept here, with one ticket to patch or none.
    fn order(&self, generation: u64, ticket: bool) -> NodeOrder {
        let mut content = OrderContent::quiet(Scheduling::InMaintenance);
        if ticket {
            content.patch = Some(PatchTarget::new(vec![bash()]).expect("one"));
            content.tickets = vec![Ticket {
                attempt: AttemptId(Uuid::from_u128(100 + u128::from(generation))),
                act: Act::Patch,
                on_failure: OnFailure::FallBackOnce,
                begin_before: jiff::Timestamp::MAX,
            }];
        }
        NodeOrder {
            node: NODE,
            ledger: self.report().expect("it is open").ledger,
            epoch: Epoch(1),
            generation: Generation(generation),
            incarnation: Incarnation(Uuid::from_u128(3)),
            plan: PlanId(Uuid::from_u128(4)),
            content,
        }
    }

    fn send(&self, order: &NodeOrder) {
        let body = serde_json::to_vec(order).expect("has JSON");
        self.order.send_replace(Some(body));
    }

    /// Turns until nothing is left to be done.
    fn settle(&mut self) {
        for _ in 0..50 {
            let next = self.desk.turn();
            self.sim.carry_out_fresh();
            match next {
                Next::WhenSomethingComes => return,
                // Only the package index is left to be looked at.
                Next::After(span) if span == index::AGAIN => return,
                Next::Now | Next::After(_) => {}
            }
        }
        panic!("it never rests: {:?}", self.report());
    }

    fn outcome(&self) -> Option<Outcome> {
        self.report()?.attempts.first().map(|a| a.outcome)
    }

    /// What the agent did to the server.
    fn acts(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("faults")).unwrap_or_default()
    }
}

fn setup(
    dir: &tempfile::TempDir,
    sim: &SimServer,
    board: &Arc<Board>,
    publish: watch::Sender<Sections>,
) -> Setup {
    Setup {
        disk: sim.disk(),
        state_dir: dir.path().to_owned(),
        node: NODE,
        mode: DomainMode::Act,
        patience: walk::Patience::default(),
        server: walk::Server::of(&sim.hosts(), sim.patching(), sim.services()),
        clock: sim.clock(),
        entropy: Arc::new(SystemEntropy),
        board: Arc::clone(board),
        shared: shared(&sim.clock()),
        publish,
    }
}

/// A coordinator whose clock goes as the server's was heard.
fn shared(clock: &SharedClock) -> Arc<Shared> {
    let shared = Arc::new(Shared::default());
    let at = clock.now();
    shared.set_clock_offset(ClockOffset { ms: 0, at });
    shared.set_epoch(Epoch(1));
    shared
}

/// Entropy that shows a defect of the agent's.
#[derive(Debug)]
struct Broken;

impl crate::entropy::Entropy for Broken {
    fn bits(&self) -> u128 {
        panic!("a defect");
    }
}

#[tokio::test]
async fn a_defect_ends_the_following_of_orders_and_whoever_started_it_hears_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("s1.toml"), SERVER).expect("written");
    let sim = SimServer::load(&dir.path().join("s1.toml"), dir.path()).expect("a server");
    let board = Arc::new(Board::default());
    let setup = Setup {
        entropy: Arc::new(Broken),
        ..setup(&dir, &sim, &board, watch::Sender::default())
    };
    let coordinator = watch::Sender::new(None);
    let signals = Signals {
        order: watch::Sender::default().subscribe(),
        coordinator: coordinator.subscribe(),
        restricted: watch::Sender::default().subscribe(),
        frozen: sim.frozen(),
    };
    let mut following = start(setup, signals);
    let told = tokio::time::timeout(Duration::from_secs(20), following.died()).await;
    told.expect("in time");
}

#[tokio::test]
async fn nobody_hears_of_a_defect_while_there_is_none() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("s1.toml"), SERVER).expect("written");
    let sim = SimServer::load(&dir.path().join("s1.toml"), dir.path()).expect("a server");
    let board = Arc::new(Board::default());
    let (publish, mut sections) = watch::channel(Sections::default());
    let (order, coordinator) = (watch::Sender::new(None), watch::Sender::new(None));
    let restricted = watch::Sender::new(None);
    let signals = Signals {
        order: order.subscribe(),
        coordinator: coordinator.subscribe(),
        restricted: restricted.subscribe(),
        frozen: sim.frozen(),
    };
    let mut following = start(setup(&dir, &sim, &board, publish), signals);
    tokio::select! {
        () = following.died() => panic!("it has ended"),
        changed = sections.changed() => changed.expect("the ledger was opened and reported"),
    }
    following.settle().await;
}

fn bash() -> PackageChange {
    PackageChange {
        name: "bash".parse().expect("valid"),
        architecture: "amd64".parse().expect("valid"),
        from: Some("1.0".parse().expect("valid")),
        to: "2.0".parse().expect("valid"),
    }
}

#[test]
fn an_order_is_written_down_carried_out_and_reported() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let first = office.report().expect("reported before any order");
    assert_eq!((first.effective, first.attempts.len()), (None, 0));
    let order = office.order(1, true);
    office.send(&order);
    office.settle();
    assert_eq!(office.outcome(), Some(Outcome::Done));
    let report = office.report().expect("reported");
    assert_eq!(report.effective, Some(order.mark()));
    assert!(office.acts().contains("install bash=2.0"));
    assert_eq!(office.board.standing(), []);
}

#[rstest]
#[case(DomainMode::Off)]
#[case(DomainMode::Observe)]
fn where_the_owner_gives_no_leave_orders_are_kept_and_nothing_is_begun(#[case] mode: DomainMode) {
    let mut office = Office::new(mode);
    office.settle();
    let order = office.order(1, true);
    office.send(&order);
    office.settle();
    let report = office.report().expect("reported");
    assert_eq!(report.effective, Some(order.mark()));
    assert_eq!((report.running, report.attempts.len()), (None, 0));
    assert_eq!(office.acts(), "");
    let (reason, message) = office.complaint(ATTEMPT).expect("said");
    assert_eq!(reason, "OnlyObserved");
    assert!(message.contains("domains.patching"), "{message}");
    office.send(&office.order(2, false));
    office.settle();
    assert_eq!(office.complaint(ATTEMPT), None, "nothing is ordered now");
}

#[rstest]
#[case(b"junk".to_vec(), "expected value")]
#[case(b"{}".to_vec(), "missing field `node`")]
#[case(vec![0xff, 0xfe], "expected value")]
#[case(vec![b'['; 100_000], "invalid type")]
fn a_text_that_is_no_order_changes_nothing_and_is_told_until_an_order_comes(
    #[case] body: Vec<u8>,
    #[case] why: &str,
) {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let before = office.report();
    office.order.send_replace(Some(body));
    office.settle();
    assert_eq!(office.report(), before);
    let (reason, message) = office.complaint(ORDER).expect("said");
    assert_eq!(reason, "NotUnderstood");
    assert!(message.contains(why) && message.len() < 400, "{message}");
    office.send(&office.order(1, true));
    office.settle();
    assert_eq!(office.complaint(ORDER), None);
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn an_order_with_a_field_that_is_not_known_is_refused_as_a_whole() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let mut order = serde_json::to_value(office.order(1, true)).expect("has JSON");
    order["content"]["osds"] = serde_json::json!([1]);
    let body = serde_json::to_vec(&order).expect("has JSON");
    office.order.send_replace(Some(body));
    office.settle();
    assert_eq!(office.report().expect("reported").effective, None);
    let (_, message) = office.complaint(ORDER).expect("said");
    assert!(message.contains("unknown field `osds`"), "{message}");
}

#[test]
fn a_refused_order_is_reported_with_its_reason() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let mut order = office.order(1, true);
    order.node = NodeId::new(Uuid::from_u128(2));
    office.send(&order);
    office.settle();
    let refused = office.report().expect("reported").refused.expect("refused");
    assert_eq!(refused.reason, "AnotherNode");
    assert_eq!(office.acts(), "");
}

#[test]
fn nothing_begins_without_an_open_session_or_with_a_restricted_identity() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    office.send(&office.order(1, true));
    office.coordinator.send_replace(None);
    office.settle();
    assert_eq!(office.report().expect("reported").running, None);
    office.restricted.send_replace(Some("banned".to_owned()));
    office.coordinator.send_replace(Some("c1".to_owned()));
    office.settle();
    let report = office.report().expect("reported");
    assert!(report.effective.is_some() && report.running.is_none());
    assert_eq!(office.acts(), "");
    office.restricted.send_replace(None);
    office.settle();
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn what_has_begun_goes_on_to_its_end_under_a_restriction_and_without_a_session() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    office.send(&office.order(1, true));
    assert!(matches!(office.desk.turn(), Next::After(_)));
    let running = office.report().expect("reported").running;
    assert_eq!(running.expect("begun").step, "apply");
    office.restricted.send_replace(Some("banned".to_owned()));
    office.coordinator.send_replace(None);
    office.sim.carry_out_fresh();
    office.settle();
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn a_ledger_that_cannot_be_written_leaves_the_server_observed_and_is_tried_again() {
    let mut office = Office::new(DomainMode::Act);
    office.disk.full.store(true, Ordering::SeqCst);
    assert!(matches!(office.desk.turn(), Next::After(_)));
    assert_eq!(office.report(), None, "there is nothing to report");
    assert_eq!(office.reason(LEDGER).as_deref(), Some("NotWritten"));
    office.disk.full.store(false, Ordering::SeqCst);
    office.settle();
    assert_eq!(office.reason(LEDGER), None);
    assert!(office.report().is_some());
}

#[test]
fn an_order_that_finds_the_disk_full_is_taken_when_there_is_room_and_not_sent_again() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    office.send(&office.order(1, true));
    office.disk.full.store(true, Ordering::SeqCst);
    assert!(matches!(office.desk.turn(), Next::After(_)));
    assert_eq!(office.reason(ORDER).as_deref(), Some("NotWritten"));
    assert_eq!(office.report().expect("reported").effective, None);
    office.disk.full.store(false, Ordering::SeqCst);
    office.settle();
    assert_eq!(office.reason(ORDER), None);
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn a_ledger_of_a_newer_agent_is_left_alone_and_nothing_is_reported() {
    let mut office = Office::new(DomainMode::Act);
    let body = br#"{"format":99}"#;
    let digest = h8lio_model::section::Digest::of(body);
    let mut bytes = hex::encode(digest.0).into_bytes();
    bytes.extend(b"\n");
    bytes.extend(body);
    bytes.extend(b"\n");
    office
        .disk
        .write(crate::ledger::FILE, &bytes)
        .expect("written");
    assert!(matches!(office.desk.turn(), Next::After(_)));
    assert_eq!(office.report(), None);
    assert_eq!(office.reason(LEDGER).as_deref(), Some("NotUnderstood"));
    let kept = office.disk.read(crate::ledger::FILE).expect("readable");
    assert_eq!(kept.expect("there").as_slice(), bytes);
}

#[test]
fn the_next_life_reports_what_the_last_one_did_before_anybody_asks() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    office.send(&office.order(1, true));
    office.settle();
    let before = office.report();
    let disk: Arc<dyn Disk> = office.disk.clone();
    let fresh = h8lio_model::order::LedgerId(Uuid::from_u128(9));
    let (again, _) = Ledger::open(disk, NODE, fresh).expect("opened");
    assert_eq!(Some(again.report()), before);
}

/// The server's own clock may say what it likes.
#[rstest]
#[case::in_time(-1, false)]
#[case::too_late(1, true)]
fn a_ticket_is_begun_before_its_time_by_the_coordinators_clock_or_never(
    #[case] seconds_later: i64,
    #[case] is_late: bool,
) {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let mut order = office.order(1, true);
    let now = office.sim.clock().now();
    let day = jiff::SignedDuration::from_hours(24);
    office.shared.set_clock_offset(ClockOffset {
        ms: i64::try_from(day.as_millis()).expect("a day"),
        at: now,
    });
    let theirs = now.wall - day;
    let bound = jiff::SignedDuration::from_secs(60 * -seconds_later);
    order.content.tickets[0].begin_before = theirs + bound;
    office.send(&order);
    office.settle();
    let report = office.report().expect("reported");
    let end = report.attempts.first().expect("it ended");
    assert_eq!(report.running, None);
    match is_late {
        false => assert_eq!(end.outcome, Outcome::Done),
        true => {
            assert!(end.is_untried() && end.as_before, "{end:?}");
            assert_eq!(end.reason, h8lio_model::order::TOO_LATE);
            assert_eq!(office.acts(), "");
        }
    }
}

#[test]
fn what_has_begun_in_time_goes_on_after_it() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    let mut order = office.order(1, true);
    let now = office.sim.clock().now();
    order.content.tickets[0].begin_before = now.wall + jiff::SignedDuration::from_secs(60);
    office.send(&order);
    assert!(matches!(office.desk.turn(), Next::After(_)));
    let running = office.report().expect("reported").running;
    assert_eq!(running.expect("begun").step, "apply");
    office.shared.set_clock_offset(ClockOffset {
        ms: -3_600_000,
        at: now,
    });
    office.settle();
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn an_order_of_an_earlier_life_of_the_coordinator_begins_when_this_one_stands_by_it() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    office.shared.set_epoch(Epoch(2));
    let mut order = office.order(1, true);
    office.send(&order);
    office.settle();
    let report = office.report().expect("reported");
    assert_eq!(report.effective, Some(order.mark()));
    assert_eq!((report.running, report.attempts.len()), (None, 0));
    order.epoch = Epoch(2);
    office.send(&order);
    office.settle();
    assert_eq!(office.outcome(), Some(Outcome::Done));
}

#[test]
fn the_end_of_an_attempt_is_told_to_the_collectors_and_reported_as_the_last() {
    let mut office = Office::new(DomainMode::Act);
    office.settle();
    assert_eq!(office.shared.last_ended(), None);
    let order = office.order(1, true);
    let attempt = Some(order.content.tickets[0].attempt);
    office.send(&order);
    office.settle();
    assert_eq!(office.report().expect("reported").last_ended, attempt);
    assert_eq!(office.shared.last_ended(), attempt);
}

#[test]
fn packages_carry_the_boot_and_the_attempt_that_they_were_read_after() {
    let office = Office::new(DomainMode::Act);
    let modes = crate::config::Modes::default();
    let mut all = crate::report::collectors(&office.sim.hosts(), &modes, &office.shared);
    let packages = all
        .iter_mut()
        .find(|c| c.name() == "packages")
        .expect("one");
    let mut read = || -> h8lio_model::inventory::PackageFacts {
        let gathered = packages.collect(office.sim.clock().now()).expect("read");
        serde_json::from_slice(&gathered.sections[0].body).expect("facts")
    };
    let first = read();
    let boot = office.sim.hosts().os.os().boot_id.expect("a boot");
    assert_eq!(first.boot_id, boot.parse().ok());
    assert_eq!(first.after, None);
    let attempt = Some(AttemptId(Uuid::from_u128(7)));
    office.shared.set_last_ended(attempt);
    assert_eq!(read().after, attempt);
}
