//! Steps that would wait for ever come to an end that says so, and is never called done.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::host::boot::{BootError, BootHost, Exception, RawBoot, Restart, WayBack};
use crate::host::patching::{PatchError, Pinned, RawDatabase, RawPlan, RawTrace, Spec};
use crate::host::tool::ToolError;

/// A server of which some things cannot be asked any more.
struct Dim {
    patch: Arc<dyn PatchHost>,
    boot: Arc<dyn BootHost>,
    /// The package database.
    unread: AtomicBool,
    /// Whether a transaction is at work.
    unlocked: AtomicBool,
    /// Whether any transaction has begun or works.
    blind: AtomicBool,
    /// A transaction of an attempt before is at work, and holds no lock of dpkg's yet.
    left_behind: AtomicBool,
    /// The boot menu has lost its entries.
    unlisted: AtomicBool,
    /// GRUB's tools give no answer.
    silent: AtomicBool,
}

impl Dim {
    fn is(&self, what: impl Fn(&Self) -> &AtomicBool) -> bool {
        what(self).load(Ordering::SeqCst)
    }

    fn silent(&self) -> Result<(), BootError> {
        match self.is(|d| &d.silent) {
            true => Err(ToolError::Silent {
                tool: "grub-reboot",
                source: "killed by signal 9".into(),
            }
            .into()),
            false => Ok(()),
        }
    }
}

impl PatchHost for Dim {
    fn database(&self) -> RawDatabase {
        match self.is(|d| &d.unread) {
            true => RawDatabase::default(),
            false => self.patch.database(),
        }
    }

    fn plan(&self, wanted: &[Pinned]) -> RawPlan {
        self.patch.plan(wanted)
    }

    fn index_updated_at(&self) -> Option<jiff::Timestamp> {
        self.patch.index_updated_at()
    }

    fn refresh(&self, leave: MayAct) -> Result<(), PatchError> {
        self.patch.refresh(leave)
    }

    fn download(&self, wanted: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        self.patch.download(wanted, leave)
    }

    fn keep_old(&self, old: &[Pinned], leave: MayAct) -> Result<Vec<Pinned>, PatchError> {
        self.patch.keep_old(old, leave)
    }

    fn clean(&self, old: &[Pinned], new: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        self.patch.clean(old, new, leave)
    }

    fn hold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.patch.hold(names, leave)
    }

    fn unhold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.patch.unhold(names, leave)
    }

    fn start(&self, spec: &Spec, leave: MayAct) -> Result<(), PatchError> {
        self.patch.start(spec, leave)
    }

    fn trace(&self, attempt: Uuid) -> RawTrace {
        let trace = self.patch.trace(attempt);
        let is_told = !trace.begun || !self.is(|d| &d.unlocked);
        let is_told = is_told && !self.is(|d| &d.blind);
        let running = trace.running.filter(|_| is_told);
        RawTrace { running, ..trace }
    }

    fn at_work(&self) -> Option<Vec<Uuid>> {
        match self.is(|d| &d.left_behind) {
            true => Some(vec![Uuid::from_u128(0xffff)]),
            false => self.patch.at_work(),
        }
    }

    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        self.patch.withdraw(attempt)
    }
}

impl BootHost for Dim {
    fn boot(&self) -> RawBoot {
        let raw = self.boot.boot();
        let menu = raw.menu.filter(|_| !self.is(|d| &d.unlisted));
        RawBoot { menu, ..raw }
    }

    fn pin(&self, entry: Option<&str>, kept: &[String], leave: MayAct) -> Result<(), BootError> {
        self.boot.pin(entry, kept, leave)
    }

    fn arm(&self, way: &WayBack, leave: MayAct) -> Result<String, BootError> {
        self.silent()?;
        self.boot.arm(way, leave)
    }

    fn disarm(&self, exception: Exception) -> Result<(), BootError> {
        self.boot.disarm(exception)
    }

    fn restore(&self, entry: Option<&str>, leave: MayAct) -> Result<(), BootError> {
        self.boot.restore(entry, leave)
    }

    fn commit(&self, entry: &str, leave: MayAct) -> Result<(), BootError> {
        self.boot.commit(entry, leave)
    }

    fn reboot(&self, how: Restart, leave: MayAct) -> Result<(), BootError> {
        self.boot.reboot(how, leave)
    }
}

impl Lab {
    fn dim(&mut self) -> Arc<Dim> {
        let server = &mut self.walker.server;
        let dim = Arc::new(Dim {
            patch: Arc::clone(&server.patch),
            boot: Arc::clone(&server.boot),
            unread: false.into(),
            unlocked: false.into(),
            blind: false.into(),
            left_behind: false.into(),
            unlisted: false.into(),
            silent: false.into(),
        });
        server.patch = Arc::clone(&dim) as _;
        server.boot = Arc::clone(&dim) as _;
        dim
    }

    fn stands_at(&self) -> String {
        let running = self.ledger.report().running;
        running.map(|r| r.step).unwrap_or_default()
    }

    /// Looks until this step is begun.
    fn come_to(&mut self, step: &str) {
        for _ in 0..200 {
            if self.stands_at() == step {
                return;
            }
            self.look();
        }
        panic!("it never comes to {step}: {:?}", self.ledger.report());
    }

    /// Looks until the attempt has ended, and answers after how many seconds.
    fn comes_to_an_end(&mut self) -> (AttemptReport, Duration) {
        let begun = self.seconds;
        for _ in 0..3_000 {
            if let Walked::Ended(report) = self.look() {
                return (report, Duration::from_secs(self.seconds - begun));
            }
        }
        panic!("it never ends: {:?}", self.ledger.report());
    }
}

fn halted(report: &AttemptReport, reason: &str) {
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, false, reason), "{report:?}");
    assert!(!report.releases_the_slot());
}

#[rstest]
#[case::repairing("package.break zsh", "repair")]
#[case::mending("transaction.next damage", "mend")]
#[case::applying("transaction.next hang", "apply")]
#[case::putting_back("transaction.next half", "put-back")]
fn a_database_that_cannot_be_read_any_more_ends_the_step_after_the_patience_for_a_lock(
    #[case] fault: &str,
    #[case] step: &str,
) {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    lab.fault(fault);
    lab.order(&order(1, bash_and_kernel(), BACK));
    lab.come_to(step);
    dim.unread.store(true, Ordering::SeqCst);
    let (report, after) = lab.comes_to_an_end();
    halted(&report, "Untold");
    assert!(
        report.message.contains("cannot be judged"),
        "{}",
        report.message
    );
    assert!(after >= lab.walker.patience.lock, "after {after:?}");
}

#[test]
fn a_database_that_can_be_read_again_was_waited_for() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    lab.fault("transaction.next damage");
    lab.order(&order(1, bash(), BACK));
    lab.come_to("mend");
    let patience = lab.walker.patience.lock.as_secs();
    for again in [true, false] {
        dim.unread.store(true, Ordering::SeqCst);
        lab.look();
        lab.seconds += patience - 60;
        lab.look();
        dim.unread.store(false, Ordering::SeqCst);
        if again {
            lab.look();
        }
        assert_eq!(lab.stands_at(), "mend");
    }
    assert_eq!(lab.walk().outcome, Outcome::Done);
}

#[test]
fn a_transaction_of_which_nobody_can_tell_whether_it_works_ends_after_its_own_time() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    dim.unlocked.store(true, Ordering::SeqCst);
    lab.order(&order(1, bash(), BACK));
    let (report, after) = lab.comes_to_an_end();
    halted(&report, "Untold");
    let says = "is at work still, or cannot be asked";
    assert!(report.message.contains(says), "{}", report.message);
    let patience = lab.walker.patience;
    assert!(
        after >= patience.transaction + patience.lock,
        "after {after:?}"
    );
}

#[test]
fn somebody_who_does_not_leave_the_database_ends_a_repair() {
    let mut lab = Lab::new(false);
    lab.fault("package.break zsh");
    lab.order(&order(1, bash(), BACK));
    lab.come_to("repair");
    lab.fault("package.repair zsh");
    lab.fault("transaction.next hang");
    lab.fault("transaction 00000000-0000-0000-0000-00000000ffff install bash=2.0");
    let (report, after) = lab.comes_to_an_end();
    halted(&report, "Untold");
    let says = "apt-get (pid 4242) holds";
    assert!(report.message.contains(says), "{}", report.message);
    assert!(after >= lab.walker.patience.lock, "after {after:?}");
}

#[test]
fn what_cannot_be_made_to_last_is_never_called_done() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash_and_kernel(), BACK));
    while lab.kernel() == OLD {
        lab.look();
    }
    let dim = lab.dim();
    dim.unlisted.store(true, Ordering::SeqCst);
    let (report, after) = lab.comes_to_an_end();
    halted(&report, "NotCommitted");
    let says = "the boot menu could not be read";
    assert!(report.message.contains(says), "{}", report.message);
    assert!(after >= lab.walker.patience.lock, "after {after:?}");
    assert_eq!(lab.kernel(), NEW);
    lab.fault("reboot 1s");
    assert_eq!(lab.kernel(), OLD, "as long as nobody has looked");
}

/// Whoever asked late for a boot waits for it as long as who asked at once: it may be on its way.
#[test]
fn a_boot_counts_as_refused_by_when_it_was_asked_for() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    dim.silent.store(true, Ordering::SeqCst);
    lab.order(&order(1, bash_and_kernel(), BACK));
    lab.come_to("boot");
    lab.look();
    lab.seconds += lab.walker.patience.boot.as_secs() + 60;
    dim.silent.store(false, Ordering::SeqCst);
    let moment = lab.moment();
    let walked = lab.walker.walk(&mut lab.ledger, moment).expect("walks");
    assert!(matches!(walked, Walked::Waiting { step: "boot", .. }));
    assert_eq!(lab.acts("reboot"), 1);
    // The server shuts down, which takes its time.
    lab.seconds += 60;
    let moment = lab.moment();
    let walked = lab.walker.walk(&mut lab.ledger, moment).expect("walks");
    assert!(
        matches!(walked, Walked::Waiting { step: "boot", .. }),
        "{walked:?}"
    );
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.kernel(), NEW);
}

/// What would come up cannot be told, and nothing can be pinned: the boot is refused before it.
#[test]
fn a_boot_of_which_nobody_can_tell_where_it_leads_is_refused() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    dim.unlisted.store(true, Ordering::SeqCst);
    let boot_id = lab.walker.now(lab.moment()).expect("known").boot_id;
    let mut only = order(1, bash(), BACK);
    only.content.patch = None;
    only.content.reboot = Some(RebootWish {
        boot_id_not: boot_id,
        kernel: None,
    });
    only.content.tickets[0].act = Act::Reboot;
    lab.order(&only);
    let report = lab.walk();
    let got = (report.as_before, report.reason.as_str());
    assert_eq!(got, (true, "NoWayBack"), "{report:?}");
    assert_eq!(lab.acts("reboot"), 0);
}

/// Its unit may have been started: it must not begin after the end was told.
#[test]
fn what_had_not_begun_when_nobody_waited_any_more_never_begins() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    dim.blind.store(true, Ordering::SeqCst);
    lab.order(&order(1, bash(), BACK));
    let (report, _) = lab.comes_to_an_end();
    halted(&report, "Untold");
    assert!(lab.acts("transaction.withdrawn ") > 0);
}

#[test]
fn nothing_is_begun_while_a_transaction_of_an_attempt_before_is_at_work() {
    for ends in [true, false] {
        let mut lab = Lab::new(false);
        let dim = lab.dim();
        dim.left_behind.store(true, Ordering::SeqCst);
        lab.order(&order(1, bash(), BACK));
        for _ in 0..20 {
            lab.look();
        }
        assert_eq!(lab.stands_at(), "preflight");
        if ends {
            dim.left_behind.store(false, Ordering::SeqCst);
            assert_eq!(lab.walk().outcome, Outcome::Done);
            continue;
        }
        let (report, after) = lab.comes_to_an_end();
        let got = (report.as_before, report.reason.as_str());
        assert_eq!(got, (true, "Refused"), "{report:?}");
        let says = "00000000-0000-0000-0000-00000000ffff is at work";
        assert!(report.message.contains(says), "{}", report.message);
        assert!(after <= lab.walker.patience.lock, "after {after:?}");
        assert_eq!(lab.acts("transaction "), 0);
    }
}

#[test]
fn the_server_is_not_booted_while_a_transaction_is_at_work() {
    let mut lab = Lab::new(false);
    let dim = lab.dim();
    lab.order(&order(1, bash_and_kernel(), BACK));
    lab.come_to("apply");
    dim.left_behind.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        lab.look();
    }
    assert_eq!((lab.stands_at().as_str(), lab.acts("reboot")), ("boot", 0));
    dim.left_behind.store(false, Ordering::SeqCst);
    assert_eq!(lab.walk().outcome, Outcome::Done);
    assert_eq!(lab.acts("reboot"), 1);
}

#[test]
fn what_could_not_be_held_after_a_fallback_is_told_with_its_end() {
    let mut lab = Lab::new(false);
    lab.walker.patience.gates = Duration::from_secs(600);
    let dim = lab.dim();
    lab.order(&order(1, bash(), BACK));
    lab.come_to("apply");
    lab.fault("link.down eno1");
    lab.come_to("check-back");
    dim.unread.store(true, Ordering::SeqCst);
    lab.fault("link.up eno1");
    let (report, after) = lab.comes_to_an_end();
    assert_eq!(report.outcome, Outcome::RolledBack, "{report:?}");
    let says = "nothing could be held after the fallback: ";
    assert!(report.message.contains(says), "{}", report.message);
    assert!(after >= lab.walker.patience.lock, "after {after:?}");
}
