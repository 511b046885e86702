//! Kernels that hang, and BMCs that do not do as they are told.

use super::*;
use crate::reconcile::patching::boot::timer;
use crate::sim::changes::Boot;

const PLAIN: &str = "";
const WITHOUT_BMC: &str = "[hardware]\nbmc = false\n";
const WITH_ANOTHER: &str = "[traces]\nunits = [\"watchdog.service\"]\n";

fn lab(scenario: &str) -> Lab {
    let lab = Lab::new(false);
    let text = format!("hostname = \"s1\"\n{scenario}");
    std::fs::write(lab.dir.path().join("s1.toml"), text).expect("written");
    let sim = load(&lab.dir);
    let walker = walker(&lab.dir, &sim);
    Lab { sim, walker, ..lab }
}

fn kernel_alone() -> Vec<PackageChange> {
    vec![change(&format!("linux-image-{NEW}"), None, "1.1-1")]
}

impl Lab {
    fn brings_a_kernel(&mut self) {
        self.order(&order(1, kernel_alone(), BACK));
    }

    fn will_be_reset(&self) -> bool {
        let said = self.sim.hosts().bmc.timer().expect("an answer");
        timer::read(&said).expect("understood").is_ours()
    }

    fn up_to(&mut self, act: &str) {
        for _ in 0..100 {
            if self.acts(act) > 0 {
                return;
            }
            self.look();
        }
        panic!("there is no {act}");
    }
}

#[test]
fn a_kernel_that_hangs_is_ended_by_the_bmc_and_the_server_is_back_with_the_old_one() {
    let mut lab = lab(PLAIN);
    lab.fault(&format!("kernel.hangs {NEW}"));
    lab.brings_a_kernel();
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "OldKernelBooted"), "{report:?}");
    let says = "the new kernel hung, and the BMC reset the server after 1200 s";
    assert!(report.message.contains(says), "{}", report.message);
    let countdown = Patience::default().hang;
    assert_eq!(lab.sim.last_boot(), Boot::ResetAfter(countdown));
    assert_eq!(lab.kernel(), OLD);
    assert!(!lab.will_be_reset());
}

#[test]
fn a_kernel_that_comes_up_stops_the_countdown_before_anything_else() {
    let mut lab = lab(PLAIN);
    lab.brings_a_kernel();
    lab.up_to("reboot");
    assert!(lab.will_be_reset(), "it counts over the boot");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(!lab.will_be_reset());
    assert!(!report.message.contains("hangs"), "{}", report.message);
    assert_eq!(lab.acts("bmc.start"), 1);
}

#[rstest]
#[case(WITHOUT_BMC, "has no BMC")]
#[case(WITH_ANOTHER, "looks after this server's watchdog")]
fn without_a_watchdog_of_its_own_the_boot_goes_on_and_the_report_says_so(
    #[case] scenario: &str,
    #[case] why: &str,
) {
    let mut lab = lab(scenario);
    lab.brings_a_kernel();
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let says = "nothing would have ended a kernel that hangs";
    assert!(report.message.contains(says), "{}", report.message);
    assert!(report.message.contains(why), "{}", report.message);
    assert_eq!(lab.acts("bmc."), 0);
}

#[test]
fn a_bmc_that_says_nothing_keeps_no_kernel_from_being_tried() {
    let mut lab = lab(PLAIN);
    lab.fault("bmc.silent");
    lab.brings_a_kernel();
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let says = "hangs: ipmitool gave no answer: the simulated BMC does not answer";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!(lab.acts("bmc.start"), 0);
}

/// What was begun is taken back, or the boot does not come.
#[test]
fn a_watchdog_that_counts_and_of_which_nothing_is_heard_keeps_the_boot_from_coming() {
    let mut lab = lab(PLAIN);
    lab.fault("bmc.dies");
    lab.brings_a_kernel();
    lab.up_to("bmc.start");
    for _ in 0..10 {
        lab.look();
        assert_eq!(lab.acts("reboot"), 0);
    }
    lab.fault("bmc.answers");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((lab.kernel().as_str(), lab.acts("reboot")), (NEW, 1));
    assert!(!lab.will_be_reset());
}

#[test]
fn a_watchdog_that_does_not_count_is_left_disarmed_and_the_report_says_so() {
    let mut lab = lab(PLAIN);
    lab.fault("bmc.deaf");
    lab.brings_a_kernel();
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let says = "was started and does not count";
    assert!(report.message.contains(says), "{}", report.message);
    assert!(!lab.will_be_reset());
}

/// A kernel that hangs and nothing that ends it: the server is not heard of until somebody switches it
/// off and on, and then it is back with the old kernel all the same.
#[test]
fn a_kernel_that_hangs_uncovered_waits_for_a_person_and_leads_back() {
    let mut lab = lab(WITHOUT_BMC);
    lab.fault(&format!("kernel.hangs {NEW}"));
    lab.brings_a_kernel();
    lab.up_to("reboot");
    assert_eq!(lab.sim.last_boot(), Boot::Hangs);
    lab.sim.write("reboot 1s").expect("written");
    lab.sim = load(&lab.dir);
    lab.walker = walker(&lab.dir, &lab.sim);
    let report = lab.walk();
    let got = (report.outcome, report.reason.as_str());
    assert_eq!(got, (Outcome::RolledBack, "OldKernelBooted"), "{report:?}");
}

#[test]
fn a_leftover_is_stopped_by_whoever_comes_up_with_nothing_to_do() {
    let mut lab = lab(PLAIN);
    lab.fault("bmc.set 03 01 00 08 70 17");
    lab.fault("bmc.start");
    assert!(lab.will_be_reset());
    assert_eq!(lab.look(), Walked::Idle);
    assert!(!lab.will_be_reset());
}

#[test]
fn a_countdown_of_somebody_else_is_left_alone() {
    let mut lab = lab(PLAIN);
    lab.fault("bmc.set 04 01 00 00 70 17");
    lab.fault("bmc.start");
    let said = |lab: &Lab| lab.sim.hosts().bmc.timer().expect("an answer");
    let before = said(&lab);
    lab.brings_a_kernel();
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let says = "counts for somebody else";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!(said(&lab), before);
}

#[rstest]
#[case("bmc.stubborn", "bmc.obeys", "it counts on")]
#[case("bmc.silent", "bmc.answers", "does not answer")]
fn a_countdown_that_cannot_be_stopped_is_told_and_tried_again(
    #[case] broken: &str,
    #[case] mended: &str,
    #[case] says: &str,
) {
    let mut lab = lab(PLAIN);
    for fault in ["bmc.set 03 01 00 08 70 17", "bmc.start", broken] {
        lab.fault(fault);
    }
    let at = Duration::from_secs;
    let why = lab.walker.sweep(at(0)).expect_err("it counts");
    assert!(why.contains(says), "{why}");
    lab.walker.sweep(at(31)).expect_err("it counts on");
    lab.fault(mended);
    let told = lab
        .walker
        .sweep(at(40))
        .expect_err("a broken one is left in peace");
    assert_eq!(told, why);
    lab.walker.sweep(at(62)).expect("stopped");
    assert!(!lab.will_be_reset());
}

/// The agent that armed it is gone before the boot came: the next one begins that step anew.
#[test]
fn an_agent_that_ends_before_the_boot_comes_leaves_the_countdown_to_the_next_which_arms_it_anew() {
    let mut lab = lab(PLAIN);
    lab.brings_a_kernel();
    lab.up_to("boot.once");
    // Its log has the one-shot; whatever came after is not known to it.
    lab.ledger = ledger(&lab.dir);
    lab.walker = walker(&lab.dir, &lab.sim);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.kernel(), NEW);
    assert!(!lab.will_be_reset());
}

impl Lab {
    /// In the new kernel, where this is wrong with the BMC.
    fn up_with(&mut self, broken: &str) {
        self.brings_a_kernel();
        self.up_to("reboot");
        self.fault(broken);
    }

    fn doing(&self) -> String {
        let running = self.ledger.report().running;
        running.and_then(|r| r.doing).unwrap_or_default()
    }
}

/// A kernel that brings no driver of the BMC's, or not yet, has not stopped the countdown.
#[rstest]
#[case("bmc.gone", "bmc.back", "nothing reaches")]
#[case("bmc.silent", "bmc.answers", "does not answer")]
#[case("bmc.stubborn", "bmc.obeys", "it counts on")]
fn nothing_goes_on_after_a_covered_boot_until_the_countdown_is_stopped(
    #[case] broken: &str,
    #[case] mended: &str,
    #[case] says: &str,
) {
    let mut lab = lab(PLAIN);
    lab.up_with(broken);
    for _ in 0..20 {
        let walked = lab.look();
        assert!(matches!(walked, Walked::Waiting { .. }), "{walked:?}");
        assert!(lab.doing().contains(says), "{}", lab.doing());
    }
    let why = lab
        .walker
        .sweep(lab.moment().steady)
        .expect_err("it may count");
    assert!(
        why.contains(says) && why.contains("will reset this server"),
        "{why}"
    );
    assert_eq!(lab.acts(&format!("boot.default {NEW}")), 0, "not committed");
    lab.fault(mended);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(!lab.will_be_reset());
}

#[rstest]
fn a_countdown_of_which_nothing_is_heard_is_over_once_its_time_has_surely_passed(
    #[values("bmc.gone", "bmc.silent")] broken: &str,
) {
    let mut lab = lab(PLAIN);
    lab.up_with(broken);
    let since = lab.seconds;
    let report = (0..400).find_map(|_| match lab.look() {
        Walked::Ended(report) => Some(report),
        _ => None,
    });
    let report = report.expect("it goes on");
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let waited = Duration::from_secs(lab.seconds - since);
    assert!(waited > Patience::default().hang, "{waited:?}");
    lab.walker
        .sweep(lab.moment().steady)
        .expect("nothing more to say");
}

/// Also where the server came back with the old kernel, which the firmware or a panic did.
#[test]
fn an_attempt_that_went_back_does_not_end_while_its_countdown_may_count() {
    let mut lab = lab(PLAIN);
    lab.fault(&format!("kernel.panics {NEW}"));
    lab.up_with("bmc.gone");
    assert_eq!(lab.kernel(), OLD);
    for _ in 0..20 {
        let walked = lab.look();
        assert!(matches!(walked, Walked::Waiting { .. }), "{walked:?}");
    }
    lab.fault("bmc.back");
    assert_eq!(lab.walk().outcome, Outcome::RolledBack);
    assert!(!lab.will_be_reset());
}

/// A boot that does not come, and a countdown that does not stop: the patience for both ends, and the
/// attempt does not.
#[test]
fn an_attempt_whose_boot_never_came_does_not_end_while_its_countdown_may_count() {
    let mut lab = lab(PLAIN);
    lab.walker.patience.boot = Duration::from_secs(30);
    lab.walker.patience.lock = Duration::from_secs(60);
    lab.odd()
        .is_deaf
        .store(true, std::sync::atomic::Ordering::SeqCst);
    lab.brings_a_kernel();
    lab.up_to("bmc.start");
    lab.fault("bmc.stubborn");
    for _ in 0..60 {
        let walked = lab.look();
        assert!(matches!(walked, Walked::Waiting { .. }), "{walked:?}");
    }
    assert!(lab.doing().contains("it counts on"), "{}", lab.doing());
    lab.fault("bmc.obeys");
    let report = lab.walk();
    assert_eq!(report.reason, "NotBooted", "{report:?}");
    assert!(!lab.will_be_reset());
}

/// No driver, and no log that says that one was armed: there is nothing to complain of, and it is looked
/// for again once something reaches it.
#[test]
fn a_leftover_is_stopped_by_a_driver_that_is_loaded_late() {
    let mut lab = lab(PLAIN);
    for fault in ["bmc.set 03 01 00 08 70 17", "bmc.start", "bmc.gone"] {
        lab.fault(fault);
    }
    assert_eq!(lab.look(), Walked::Idle);
    lab.fault("bmc.back");
    assert!(lab.will_be_reset());
    assert_eq!(lab.look(), Walked::Idle);
    assert!(!lab.will_be_reset());
}

/// The boot loader is not held up by a BMC.
#[rstest]
fn a_bmc_that_says_nothing_does_not_keep_the_one_shot_from_being_taken_back(
    #[values(
        "",
        "[os]\nboot_on = \"raid\"\nesp = true\n",
        "[os]\nboot_on = \"lvm\"\nkexec = true\n"
    )]
    scenario: &str,
) {
    let mut lab = lab(scenario);
    lab.walker.patience.boot = Duration::from_secs(30);
    lab.odd()
        .is_deaf
        .store(true, std::sync::atomic::Ordering::SeqCst);
    lab.brings_a_kernel();
    lab.up_to("bmc.start");
    lab.fault("bmc.silent");
    for _ in 0..20 {
        lab.look();
    }
    let raw = lab.sim.booting().boot();
    let up = crate::reconcile::patching::boot::standing::comes_up(&raw);
    assert_eq!(up.as_deref(), Some(OLD));
    let left = crate::reconcile::patching::boot::standing::exceptions(&raw);
    assert_eq!(left, [], "nothing leads elsewhere");
}

#[test]
fn an_attempt_whose_log_is_damaged_leaves_nothing_armed() {
    let mut lab = lab(PLAIN);
    lab.brings_a_kernel();
    lab.odd()
        .is_deaf
        .store(true, std::sync::atomic::Ordering::SeqCst);
    lab.up_to("boot.once ");
    let folder = std::fs::read_dir(lab.dir.path()).expect("read");
    let mut logs = folder.map(|e| e.expect("an entry").path());
    let log = logs.find(|p| p.extension().is_some_and(|e| e == "log"));
    let log = log.expect("a log");
    let text = std::fs::read_to_string(&log).expect("read");
    std::fs::write(&log, format!("damaged\n{text}")).expect("written");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Unknown, "{report:?}");
    let raw = lab.sim.booting().boot();
    let up = crate::reconcile::patching::boot::standing::comes_up(&raw);
    assert_eq!(up.as_deref(), Some(OLD));
    assert!(!lab.will_be_reset());
}
