//! Kernels as a distribution brings them, and boots that come when nobody asked for them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::host::boot::{BootError, BootHost, Exception, RawBoot, RawKexec, Restart, WayBack};
use crate::host::tool::ToolError;
use crate::reconcile::patching::boot::standing::{Standing, comes_up, standing};

/// The package that points to the newest kernel has an update that brings one.
const BUMP: &str = "[[packages.upgrade]]\nname = \"linux-image-amd64\"\ninstalled = \"1.0\"\n\
                    candidate = \"1.1\"\nbrings = \"6.1.0-41-amd64\"\n";

/// A newer kernel is installed and was never booted.
const WAITS: &str = "[packages]\nnewest_kernel = \"6.1.0-41-amd64\"\n";

/// The running kernel's own package has an update.
const SAME: &str = "[[packages.upgrade]]\nname = \"linux-image-6.1.0-40-amd64\"\n\
                    installed = \"1.0-1\"\ncandidate = \"1.0-2\"\n";

fn lab(packages: &str) -> Lab {
    let lab = Lab::new(false);
    let text = format!("hostname = \"s1\"\n{packages}");
    std::fs::write(lab.dir.path().join("s1.toml"), text).expect("written");
    let sim = load(&lab.dir);
    let walker = walker(&lab.dir, &sim);
    Lab { sim, walker, ..lab }
}

fn boot_id(lab: &Lab) -> BootId {
    let id = lab.sim.hosts().os.os().boot_id.expect("one");
    id.trim().parse().expect("an id")
}

fn wish(lab: &Lab, order: &mut NodeOrder, kernel: Option<&str>) {
    order.content.reboot = Some(RebootWish {
        boot_id_not: boot_id(lab),
        kernel: kernel.map(|k| k.parse().expect("a release")),
    });
}

fn reboot_only(lab: &Lab, generation: u64, kernel: Option<&str>) -> NodeOrder {
    let mut only = order(generation, vec![], BACK);
    wish(lab, &mut only, kernel);
    only.content.tickets = vec![Ticket {
        attempt: AttemptId(Uuid::from_u128(500 + u128::from(generation))),
        act: Act::Reboot,
        on_failure: BACK,
        begin_before: jiff::Timestamp::MAX,
    }];
    only
}

fn bump() -> Vec<PackageChange> {
    vec![
        change("linux-image-amd64", Some("1.0"), "1.1"),
        change(&format!("linux-image-{NEW}"), None, "1.1"),
    ]
}

fn default_of(lab: &Lab) -> Standing {
    standing(&lab.sim.booting().boot())
}

/// What a boot by anybody leads into.
fn leads_to(lab: &Lab) -> String {
    comes_up(&lab.sim.booting().boot()).expect("told")
}

/// A boot loader or an init that does not do as it is told.
pub(super) struct Odd {
    boot: Arc<dyn BootHost>,
    /// So many attempts to arm give no answer.
    silent: AtomicU32,
    /// A boot that is asked for does not come.
    pub(super) is_deaf: AtomicBool,
    /// What is armed does not reach the environment.
    is_leaky: AtomicBool,
    /// The EFI system partition is not mounted, the kernel is locked down, and kexec switched off.
    pub(super) is_bare: AtomicBool,
}

impl BootHost for Odd {
    fn boot(&self) -> RawBoot {
        let mut raw = self.boot.boot();
        if self.is_bare.load(Ordering::SeqCst) {
            raw.esp = None;
            let is_loaded = raw.kexec.is_some_and(|k| k.is_loaded);
            raw.kexec = Some(RawKexec {
                has_tool: true,
                is_switched_off: Some(true),
                lockdown: Some("none [integrity]".to_owned()),
                is_loaded,
            });
        }
        raw
    }

    fn pin(&self, entry: Option<&str>, kept: &[String], leave: MayAct) -> Result<(), BootError> {
        self.boot.pin(entry, kept, leave)
    }

    fn arm(&self, way: &WayBack, leave: MayAct) -> Result<String, BootError> {
        let left = |n: u32| n.checked_sub(1);
        let silent = self
            .silent
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        if silent.is_ok() {
            return Err(BootError::Tool(ToolError::Silent {
                tool: "grub-reboot",
                source: "killed by signal 15".into(),
            }));
        }
        match self.is_leaky.load(Ordering::SeqCst) {
            true => Ok(String::new()),
            false => self.boot.arm(way, leave),
        }
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
        match self.is_deaf.load(Ordering::SeqCst) {
            true => Ok(()),
            false => self.boot.reboot(how, leave),
        }
    }
}

impl Lab {
    pub(super) fn odd(&mut self) -> Arc<Odd> {
        let server = &mut self.walker.server;
        let odd = Arc::new(Odd {
            boot: Arc::clone(&server.boot),
            silent: AtomicU32::new(0),
            is_deaf: AtomicBool::new(false),
            is_leaky: AtomicBool::new(false),
            is_bare: AtomicBool::new(false),
        });
        server.boot = Arc::clone(&odd) as _;
        odd
    }

    /// What was written happens at once, and the agent comes back where the server was booted.
    fn happens(&mut self) {
        if self.sim.carry_out_fresh() {
            self.sim = load(&self.dir);
        }
        self.ledger = ledger(&self.dir);
        self.walker = walker(&self.dir, &self.sim);
    }

    /// Somebody boots the server, or its power fails.
    fn power_cut(&mut self) {
        self.sim.write("reboot 1s").expect("written");
        self.happens();
    }

    fn step(&self) -> String {
        self.ledger
            .report()
            .running
            .map_or_else(String::new, |r| r.step)
    }
}

#[rstest]
fn a_kernel_that_comes_anew_is_tried_once_and_then_lasts(
    #[values(None, Some(NEW))] wished: Option<&str>,
    #[values(false, true)] panics: bool,
) {
    let mut lab = lab(BUMP);
    if panics {
        lab.fault(&format!("kernel.panics {NEW}"));
    }
    let mut bumped = order(1, bump(), BACK);
    wish(&lab, &mut bumped, wished);
    lab.order(&bumped);
    let report = lab.walk();
    let (outcome, kernel) = match panics {
        false => (Outcome::Done, NEW),
        true => (Outcome::RolledBack, OLD),
    };
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert_eq!(
        (lab.kernel().as_str(), leads_to(&lab).as_str()),
        (kernel, kernel)
    );
    assert_eq!(lab.acts("reboot"), 1);
    lab.power_cut();
    assert_eq!(lab.kernel(), kernel, "also for whoever boots it later");
}

#[test]
fn a_kernel_that_the_order_does_not_name_is_not_installed_along_the_way() {
    let mut lab = lab(BUMP);
    lab.order(&order(1, vec![bump().remove(0)], BACK));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Refused"), "{report:?}");
    let says = format!("would also bring linux-image-{NEW} to 1.1, which was not ordered");
    assert!(report.message.contains(&says), "{}", report.message);
    assert_eq!(lab.acts("transaction "), 0);
}

#[rstest]
fn a_reboot_alone_brings_the_newest_installed_kernel_with_a_way_back_from_it(
    #[values(None, Some(NEW))] wished: Option<&str>,
    #[values(false, true)] panics: bool,
) {
    let mut lab = lab(WAITS);
    if panics {
        lab.fault(&format!("kernel.panics {NEW}"));
    }
    let only = reboot_only(&lab, 1, wished);
    lab.order(&only);
    let report = lab.walk();
    let (outcome, kernel) = match panics {
        false => (Outcome::Done, NEW),
        true => (Outcome::RolledBack, OLD),
    };
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert_eq!(
        (lab.kernel().as_str(), leads_to(&lab).as_str()),
        (kernel, kernel)
    );
    assert_eq!(lab.acts(&format!("boot.once {NEW}")), 1);
    assert_eq!(lab.acts("reboot"), 1);
}

#[rstest]
fn a_kernel_that_the_server_went_back_from_is_held_and_not_booted_by_a_later_order(
    #[values(false, true)] is_patch: bool,
) {
    let mut lab = lab(&format!(
        "{WAITS}[[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n"
    ));
    lab.fault(&format!("kernel.panics {NEW}"));
    let mut first = reboot_only(&lab, 1, None);
    if is_patch {
        first = order(1, bash(), BACK);
        wish(&lab, &mut first, None);
    }
    lab.order(&first);
    assert_eq!(lab.walk().outcome, Outcome::RolledBack);
    let image = format!("linux-image-{NEW}");
    assert!(lab.held(&image));
    let noted = lab.ledger.report().holds;
    assert!(noted.iter().any(|hold| hold.name() == image), "{noted:?}");
    // A person looked at it; then security updates come, which boot by the way.
    lab.fault("package.unhold bash");
    let mut later = order(2, bash(), BACK);
    wish(&lab, &mut later, None);
    lab.order(&later);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.acts(&format!("boot.once {NEW}")), 1, "the first time");
    assert_eq!(lab.kernel(), OLD);
    // Not even for who asks for it by name.
    let named = reboot_only(&lab, 3, Some(NEW));
    lab.order(&named);
    let report = lab.walk();
    assert_eq!((report.outcome, report.as_before), (Outcome::Failed, true));
    assert!(report.message.contains("is held"), "{}", report.message);
}

#[test]
fn a_kernel_that_an_attempt_halted_at_is_held_as_well_and_nothing_else() {
    let mut lab = lab(&format!(
        "{WAITS}[[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n"
    ));
    lab.fault(&format!("kernel.panics {NEW}"));
    let mut first = order(1, bash(), OnFailure::Halt);
    wish(&lab, &mut first, None);
    lab.order(&first);
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, "OldKernelBooted"), "{report:?}");
    assert!(lab.held(&format!("linux-image-{NEW}")) && !lab.held("bash"));
    assert_eq!(lab.ledger.report().holds.len(), 1);
}

#[test]
fn a_kernel_that_is_neither_installed_nor_ordered_is_refused_before_anything_is_touched() {
    let mut lab = lab(WAITS);
    let only = reboot_only(&lab, 1, Some("6.1.0-99-amd64"));
    lab.order(&only);
    let report = lab.walk();
    assert_eq!((report.outcome, report.as_before), (Outcome::Failed, true));
    let says = "kernel 6.1.0-99-amd64 is neither installed nor ordered";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!((lab.acts("boot."), lab.acts("reboot")), (0, 0));
}

#[test]
fn an_update_of_the_running_kernels_own_files_is_refused_with_its_reason() {
    let mut lab = lab(SAME);
    let image = format!("linux-image-{OLD}");
    lab.order(&order(
        1,
        vec![change(&image, Some("1.0-1"), "1.0-2")],
        BACK,
    ));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "NoWayBack"), "{report:?}");
    let says = "would replace the files of the kernel that runs";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!((lab.acts("transaction "), lab.acts("reboot")), (0, 0));
}

/// scenario: 22 (unit)
#[test]
fn a_boot_that_never_came_leaves_nothing_armed_and_the_old_kernel_comes_up_whoever_boots() {
    let mut lab = lab(BUMP);
    lab.walker.patience.boot = Duration::from_secs(30);
    lab.odd().is_deaf.store(true, Ordering::SeqCst);
    lab.order(&order(1, bump(), BACK));
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "NotBooted"), "{report:?}");
    assert_eq!(leads_to(&lab), OLD);
    lab.power_cut();
    assert_eq!(lab.kernel(), OLD, "the one-shot was taken back");
    assert_eq!(
        leads_to(&lab),
        OLD,
        "the new kernel is installed, and waits"
    );
}

#[test]
fn an_end_that_changed_nothing_puts_the_default_back_as_it_was() {
    // A reboot that is refused: the default was none.
    let mut never = lab(WAITS);
    never.walker.patience.boot = Duration::from_secs(30);
    never.odd().is_deaf.store(true, Ordering::SeqCst);
    let only = reboot_only(&never, 1, None);
    never.order(&only);
    let report = never.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "NotBooted"), "{report:?}");
    assert_eq!(default_of(&never), Standing::First);

    // A transaction that did nothing: the default was the administrator's own.
    let mut nothing = lab(BUMP);
    nothing.fault("boot.default 6.1.0-40-amd64");
    let before = default_of(&nothing);
    assert!(matches!(before, Standing::Entry(_)), "{before:?}");
    nothing.fault("transaction.next nothing");
    nothing.order(&order(1, bump(), BACK));
    let report = nothing.walk();
    assert_eq!(report.reason, "NothingApplied", "{report:?}");
    assert_eq!(default_of(&nothing), before);

    // The same, and there was none.
    let mut nothing = lab(BUMP);
    nothing.fault("transaction.next nothing");
    nothing.order(&order(1, bump(), BACK));
    let report = nothing.walk();
    assert_eq!(report.reason, "NothingApplied", "{report:?}");
    assert!(
        nothing.acts("boot.default 6.1.0-40") > 0,
        "it was pinned in between"
    );
    assert_eq!(default_of(&nothing), Standing::First);
}

#[test]
fn what_did_not_reach_grubs_environment_is_not_booted() {
    let mut lab = lab(BUMP);
    lab.odd().is_leaky.store(true, Ordering::SeqCst);
    lab.order(&order(1, bump(), BACK));
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "NotBooted"), "{report:?}");
    assert!(
        report.message.contains("does not hold what was written"),
        "{}",
        report.message
    );
    assert_eq!(lab.acts("reboot"), 0);
}

/// Walks up to a boot that GRUB was not told of, and cuts the power there.
fn cut_before_arming(lab: &mut Lab) {
    lab.odd().silent.store(u32::MAX, Ordering::SeqCst);
    while lab.step() != "boot" {
        lab.look();
    }
    lab.power_cut();
    assert_eq!(lab.kernel(), OLD);
}

#[test]
fn a_boot_that_came_before_the_new_kernel_was_armed_has_not_tried_it() {
    let mut lab = lab(BUMP);
    lab.order(&order(1, bump(), BACK));
    cut_before_arming(&mut lab);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.kernel(), NEW);
    assert_eq!(lab.acts("reboot"), 2, "the power cut, and ours");
}

#[test]
fn a_server_that_is_booted_by_others_again_and_again_is_left_alone() {
    let mut lab = lab(BUMP);
    lab.order(&order(1, bump(), BACK));
    cut_before_arming(&mut lab);
    for _ in 0..2 {
        lab.odd().silent.store(u32::MAX, Ordering::SeqCst);
        lab.look();
        lab.power_cut();
    }
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "OldKernelBooted"), "{report:?}");
    let says = "booted 3 times before the kernel was tried";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!(leads_to(&lab), OLD);
}

#[test]
fn a_boot_into_the_kernel_that_runs_is_led_there_although_a_newer_one_stands_first() {
    let mut lab = lab(WAITS);
    let only = reboot_only(&lab, 1, Some(OLD));
    lab.order(&only);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((lab.kernel().as_str(), lab.acts("reboot")), (OLD, 1));
}

#[test]
fn a_server_that_was_repaired_first_is_not_as_before_whatever_is_refused_then() {
    let mut lab =
        lab("[[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n");
    lab.fault("package.break zsh");
    lab.order(&order(1, vec![change("bash", Some("0.9"), "2.0")], BACK));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, false, "Refused"), "{report:?}");
    assert!(!report.releases_the_slot());
}
