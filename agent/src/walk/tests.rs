//! The whole walk over the simulated server, also with a new life of the agent at every look.

#[path = "carry_tests.rs"]
mod carry;
#[path = "clean_tests.rs"]
mod clean;
#[path = "hang_tests.rs"]
mod hangs;
#[path = "holds_tests.rs"]
mod holding;
#[path = "kernel_tests.rs"]
mod kernels;
#[path = "raid_tests.rs"]
mod raids;
#[path = "silence_tests.rs"]
mod silence;
#[path = "stuck_tests.rs"]
mod stuck;
#[path = "late_tests.rs"]
mod too_late;
#[path = "untold_tests.rs"]
mod untold;
#[path = "withdrawn_tests.rs"]
mod withdrawn;

use h8lio_model::ids::{Incarnation, NodeId};
use h8lio_model::inventory::DomainMode;
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, Epoch, Generation, LedgerId, NodeOrder, OnFailure, OrderContent, Outcome, PackageChange,
    PatchTarget, RebootWish, Ticket,
};
use h8lio_model::plan::PlanId;
use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::identity::PrivateFolder;
use crate::reconcile::patching::transaction::database;
use crate::sim::SimServer;

const OLD: &str = "6.1.0-40-amd64";
const NEW: &str = "6.1.0-41-amd64";
const NODE: NodeId = NodeId::new(Uuid::from_u128(1));
const LEDGER: LedgerId = LedgerId(Uuid::from_u128(2));

struct Lab {
    dir: tempfile::TempDir,
    sim: SimServer,
    ledger: Ledger,
    walker: Walker,
    /// Every look is the first one of a new life.
    reborn: bool,
    seconds: u64,
}

/// A server with a link and an update of bash.
const SERVER: &str = "hostname = \"s1\"\n[[nic]]\nname = \"eno1\"\nmac = \"02:00:00:00:00:01\"\n\
                      [[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n";

impl Lab {
    fn new(reborn: bool) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("s1.toml"), SERVER).expect("written");
        let sim = load(&dir);
        let (ledger, walker) = (ledger(&dir), walker(&dir, &sim));
        Self {
            dir,
            sim,
            ledger,
            walker,
            reborn,
            seconds: 0,
        }
    }

    fn fault(&self, line: &str) {
        self.sim.write(line).expect("written");
        self.sim.carry_out_fresh();
    }

    fn order(&mut self, order: &NodeOrder) {
        self.ledger
            .accept(order, self.moment().wall)
            .expect("taken");
    }

    fn moment(&self) -> Moment {
        Moment {
            steady: Duration::from_secs(self.seconds),
            wall: jiff::Timestamp::from_second(1_000_000 + self.seconds.cast_signed())
                .expect("in range"),
        }
    }

    /// One look; a boot or a rebirth follows where it is due.
    fn look(&mut self) -> Walked {
        self.seconds += 5;
        let moment = self.moment();
        let walked = self.walker.walk(&mut self.ledger, moment).expect("walks");
        if self.sim.carry_out_fresh() || self.reborn {
            self.sim = load(&self.dir);
            self.ledger = ledger(&self.dir);
            self.walker = walker(&self.dir, &self.sim);
        }
        walked
    }

    /// Looks until the attempt has ended.
    fn walk(&mut self) -> AttemptReport {
        for _ in 0..200 {
            if let Walked::Ended(report) = self.look() {
                assert_eq!(self.look(), Walked::Idle, "it is latched");
                return report;
            }
        }
        panic!("it never ends: {:?}", self.ledger.report());
    }

    fn version(&self, name: &str) -> Option<String> {
        let database = database::read(&self.sim.patching().database()).expect("understood");
        database.package(name).map(|p| p.version.clone())
    }

    fn held(&self, name: &str) -> bool {
        let database = database::read(&self.sim.patching().database()).expect("understood");
        database.package(name).is_some_and(|p| p.held)
    }

    fn kernel(&self) -> String {
        self.sim.hosts().os.os().kernel.expect("one runs")
    }

    /// What the log of faults says that the agent did, by its first word.
    fn acts(&self, word: &str) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("faults")).unwrap_or_default();
        text.lines().filter(|l| l.starts_with(word)).count()
    }
}

fn load(dir: &tempfile::TempDir) -> SimServer {
    SimServer::load(&dir.path().join("s1.toml"), dir.path()).expect("a server")
}

fn ledger(dir: &tempfile::TempDir) -> Ledger {
    let disk = Arc::new(PrivateFolder::new(dir.path()));
    Ledger::open(disk, NODE, LEDGER).expect("opened").0
}

fn walker(dir: &tempfile::TempDir, sim: &SimServer) -> Walker {
    let server = Server::of(&sim.hosts(), sim.patching(), sim.services());
    let leave = MayAct::by(DomainMode::Act).expect("leave");
    let patience = Patience {
        gates: Duration::ZERO,
        ..Patience::default()
    };
    Walker::new(server, dir.path(), leave, Held::Refuse, patience)
}

fn change(name: &str, from: Option<&str>, to: &str) -> PackageChange {
    PackageChange {
        name: name.parse().expect("valid"),
        architecture: "amd64".parse().expect("valid"),
        from: from.map(|v| v.parse().expect("valid")),
        to: to.parse().expect("valid"),
    }
}

fn order(generation: u64, changes: Vec<PackageChange>, on_failure: OnFailure) -> NodeOrder {
    let mut content = OrderContent::quiet(Scheduling::InMaintenance);
    if !changes.is_empty() {
        content.patch = Some(PatchTarget::new(changes).expect("some"));
        content.tickets = vec![Ticket {
            attempt: AttemptId(Uuid::from_u128(100 + u128::from(generation))),
            act: Act::Patch,
            on_failure,
            begin_before: jiff::Timestamp::MAX,
        }];
    }
    NodeOrder {
        node: NODE,
        ledger: LEDGER,
        epoch: Epoch(1),
        generation: Generation(generation),
        incarnation: Incarnation(Uuid::from_u128(3)),
        plan: PlanId(Uuid::from_u128(4)),
        content,
    }
}

fn bash() -> Vec<PackageChange> {
    vec![change("bash", Some("1.0"), "2.0")]
}

fn bash_and_kernel() -> Vec<PackageChange> {
    let kernel = change(&format!("linux-image-{NEW}"), None, "1.1-1");
    bash().into_iter().chain([kernel]).collect()
}

const BACK: OnFailure = OnFailure::FallBackOnce;

#[rstest]
fn an_ordered_version_is_brought_once_and_the_attempt_is_done(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    assert_eq!(lab.look(), Walked::Idle, "nothing is ordered");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::Done, "AllWell"),
        "{report:?}"
    );
    assert_eq!(lab.version("bash").as_deref(), Some("2.0"));
    assert_eq!((lab.acts("transaction "), lab.acts("reboot")), (1, 0));
}

#[rstest]
fn a_new_kernel_is_booted_once_and_lasts_when_the_server_is_well(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = Lab::new(reborn);
    lab.order(&order(1, bash_and_kernel(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((lab.acts("transaction "), lab.acts("reboot")), (1, 1));
    lab.fault("reboot 1s");
    assert_eq!(lab.kernel(), NEW);
}

#[rstest]
fn a_kernel_that_panics_leaves_the_server_as_before_with_its_packages_held(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = Lab::new(reborn);
    lab.fault(&format!("kernel.panics {NEW}"));
    lab.order(&order(1, bash_and_kernel(), BACK));
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str(), report.as_before);
    assert_eq!(
        got,
        (Outcome::RolledBack, "OldKernelBooted", false),
        "{report:?}"
    );
    assert_eq!(
        (lab.kernel().as_str(), lab.version("bash").as_deref()),
        (OLD, Some("1.0"))
    );
    assert!(lab.held("bash"));
    assert_eq!((lab.acts("transaction "), lab.acts("reboot")), (2, 1));
    lab.fault("reboot 1s");
    assert_eq!(lab.kernel(), OLD);
}

#[rstest]
fn a_server_that_boots_and_loses_its_link_goes_back_with_one_boot(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = Lab::new(reborn);
    lab.order(&order(1, bash_and_kernel(), BACK));
    while lab.acts("reboot") == 0 {
        lab.look();
    }
    lab.fault("link.down eno1");
    while lab.acts("reboot") == 1 {
        lab.look();
    }
    lab.fault("link.up eno1");
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "NotWell"), "{report:?}");
    assert_eq!(
        (lab.kernel().as_str(), lab.version("bash").as_deref()),
        (OLD, Some("1.0"))
    );
    assert_eq!(lab.acts("reboot"), 2, "one forth, one back");
}

#[test]
fn a_server_that_is_not_well_afterwards_either_asks_before_it_is_booted_again() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash_and_kernel(), BACK));
    while lab.acts("reboot") == 0 {
        lab.look();
    }
    lab.fault("link.down eno1");
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, false, "StillNotWell"), "{report:?}");
    assert!(
        report.message.starts_with("not as before: link eno1"),
        "{}",
        report.message
    );
    assert_eq!(lab.acts("reboot"), 2);
    assert!(!report.releases_the_slot());
}

#[test]
fn what_only_goes_forward_halts_where_it_is() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash_and_kernel(), OnFailure::Halt));
    while lab.acts("reboot") == 0 {
        lab.look();
    }
    lab.fault("link.down eno1");
    let report = lab.walk();
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::Failed, "NotWell")
    );
    assert_eq!(lab.version("bash").as_deref(), Some("2.0"));
    assert_eq!(lab.acts("reboot"), 1);
}

#[rstest]
fn a_transaction_that_was_cut_off_is_mended_and_goes_on(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault("transaction.next damage");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.version("bash").as_deref(), Some("2.0"));
    assert_eq!(
        lab.acts("transaction "),
        3,
        "one install, two steps of a repair"
    );
}

#[rstest]
fn a_database_that_somebody_left_broken_is_repaired_before_anything_is_done(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = Lab::new(reborn);
    lab.fault("package.break zsh");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.acts("transaction "), 3);
}

#[test]
fn a_transaction_that_did_half_is_put_back() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next half");
    lab.order(&order(1, bash_and_kernel(), BACK));
    let report = lab.walk();
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::RolledBack, "PartlyApplied"),
        "{report:?}"
    );
    assert_eq!(lab.version("bash").as_deref(), Some("1.0"));
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason_and_nothing_is_touched() {
    for (changes, says) in [
        (
            vec![change("bash", Some("0.9"), "2.0")],
            "somebody else changed it",
        ),
        (
            vec![change("bash", Some("1.0"), "9.9")],
            "no configured repository has bash 9.9",
        ),
        (
            vec![change("nope", None, "1.0")],
            "no configured repository has a package nope",
        ),
    ] {
        let mut lab = Lab::new(false);
        lab.order(&order(1, changes, BACK));
        let report = lab.walk();
        assert_eq!(
            (report.outcome, report.as_before),
            (Outcome::Failed, true),
            "{report:?}"
        );
        assert!(report.message.contains(says), "{}", report.message);
        assert_eq!(lab.acts("transaction "), 0);
        assert!(report.releases_the_slot());
    }
}

#[test]
fn a_lock_is_waited_for_and_an_order_that_is_withdrawn_meanwhile_touches_nothing() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next hang");
    lab.fault("transaction 00000000-0000-0000-0000-00000000ffff install bash=2.0");
    lab.order(&order(1, bash(), BACK));
    let waiting = lab.look();
    assert!(
        matches!(
            waiting,
            Walked::Waiting {
                step: "preflight",
                ..
            }
        ),
        "{waiting:?}"
    );
    let running = lab.ledger.report().running.expect("it runs");
    let says = "waits: apt-get (pid 4242) holds /var/lib/dpkg/lock-frontend";
    assert_eq!(running.doing.as_deref(), Some(says));
    lab.order(&order(2, vec![], BACK));
    let report = lab.walk();
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::Failed, "Withdrawn")
    );
    assert!(report.as_before);
    assert_eq!(
        lab.ledger.book().effective().map(|o| o.generation),
        Some(Generation(2))
    );
    assert_eq!(lab.acts("transaction "), 1, "only the other one's");
}

/// scenario: 20 (unit)
#[test]
fn a_lock_that_is_never_let_go_is_told_with_its_holder() {
    let mut lab = Lab::new(false);
    lab.walker.patience.lock = Duration::from_secs(30);
    lab.fault("transaction.next hang");
    lab.fault("transaction 00000000-0000-0000-0000-00000000ffff install bash=2.0");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.reason, "Refused");
    let says = "apt-get (pid 4242) holds /var/lib/dpkg/lock-frontend; nothing was changed";
    assert_eq!(report.message, says);
}

/// Somebody else's new kernel waits for a boot: where that leads has no way back.
#[rstest]
fn a_boot_that_something_else_asks_for_waits_for_an_order(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault(&format!("kernel.install {NEW}"));
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((lab.acts("reboot"), lab.kernel().as_str()), (0, OLD));
    if !reborn {
        let says = "a boot is due that was not ordered";
        assert!(report.message.contains(says), "{}", report.message);
    }
}

#[test]
fn a_boot_that_has_happened_already_is_not_done_again() {
    let mut lab = Lab::new(false);
    let mut only = order(1, vec![], BACK);
    only.content.reboot = Some(RebootWish {
        boot_id_not: BootId(Uuid::from_u128(99)),
        kernel: None,
    });
    only.content.tickets = vec![Ticket {
        attempt: AttemptId(Uuid::from_u128(5)),
        act: Act::Reboot,
        on_failure: BACK,
        begin_before: jiff::Timestamp::MAX,
    }];
    lab.order(&only);
    let report = lab.walk();
    assert_eq!((report.outcome, report.as_before), (Outcome::Failed, true));
    assert_eq!(lab.acts("reboot"), 0);
    let boot_id = lab
        .sim
        .hosts()
        .os
        .os()
        .boot_id
        .expect("one")
        .parse()
        .expect("an id");
    only.generation = Generation(2);
    only.content.tickets[0].attempt = AttemptId(Uuid::from_u128(6));
    only.content.reboot = Some(RebootWish {
        boot_id_not: boot_id,
        kernel: None,
    });
    lab.order(&only);
    let report = lab.walk();
    assert_eq!(
        (report.outcome, lab.acts("reboot")),
        (Outcome::Done, 1),
        "{report:?}"
    );
}

#[test]
fn a_step_log_that_is_damaged_ends_as_unknown_and_nothing_is_tried() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next hang");
    lab.order(&order(1, bash(), BACK));
    while lab.acts("transaction ") == 0 {
        lab.look();
    }
    let log = lab
        .dir
        .path()
        .join(format!("steps-{}.log", Uuid::from_u128(101)));
    let mut bytes = std::fs::read(&log).expect("there");
    bytes[30] ^= 1;
    std::fs::write(&log, bytes).expect("written");
    let report = lab.walk();
    assert_eq!(
        (report.outcome, report.reason.as_str()),
        (Outcome::Unknown, "LogDamaged")
    );
    assert!(
        report.message.contains("line 1 of the step log"),
        "{}",
        report.message
    );
}

/// An order that comes while one step is being done.
struct Meanwhile {
    moment: Moment,
    during: &'static str,
    order: Option<NodeOrder>,
}

impl Between for Meanwhile {
    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        Still(self.moment, Epoch(1)).coordinator()
    }

    fn moment(&mut self) -> Moment {
        self.moment
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn take(&mut self, ledger: &mut Ledger) {
        let at = ledger.report().running.map(|r| r.step);
        if at.as_deref() == Some(self.during)
            && let Some(order) = self.order.take()
        {
            ledger.accept(&order, self.moment.wall).expect("taken");
        }
    }
}

#[rstest]
#[case("preflight")]
#[case("download")]
fn an_order_that_comes_in_the_middle_of_a_walk_withdraws_what_has_changed_nothing(
    #[case] during: &'static str,
) {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), BACK));
    let mut between = Meanwhile {
        moment: lab.moment(),
        during,
        order: Some(order(2, vec![], BACK)),
    };
    let walked = lab.walker.walk_between(&mut lab.ledger, &mut between);
    let Walked::Ended(report) = walked.expect("walks") else {
        panic!("it goes on although it was withdrawn");
    };
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Withdrawn"), "{report:?}");
    assert_eq!(lab.acts("transaction "), 0);
}
