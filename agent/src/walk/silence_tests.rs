//! Tools that give no answer, and an agent that is on its way out.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::host::boot::{BootError, BootHost, Exception, RawBoot, Restart, WayBack};
use crate::host::patching::{PatchError, Pinned, RawDatabase, RawPlan, RawTrace, Spec};
use crate::host::tool::ToolError;

/// The first calls that change or ask something end as when the agent's unit is stopped.
struct Killed {
    patch: Arc<dyn PatchHost>,
    boot: Arc<dyn BootHost>,
    left: AtomicU32,
    /// What was asked to be cleaned: kept for the way back, and installed.
    cleaned: std::sync::Mutex<Vec<(Vec<Pinned>, Vec<Pinned>)>>,
    /// They end because of somebody else's lock instead.
    busy: bool,
    /// How often the package index was fetched.
    fetched: AtomicU32,
}

impl Killed {
    fn is_killed(&self) -> bool {
        let left = |n: u32| n.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        before.is_ok()
    }

    fn ask<T, E: From<ToolError>>(
        &self,
        tool: &'static str,
        ask: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.is_killed() {
            true if self.busy => Err(E::from(ToolError::Busy {
                tool,
                said: "E: Could not get lock. It is held by process 7 (apt-get)".to_owned(),
            })),
            true => Err(E::from(ToolError::Silent {
                tool,
                source: "killed by signal 15".into(),
            })),
            false => ask(),
        }
    }
}

impl PatchHost for Killed {
    fn database(&self) -> RawDatabase {
        self.patch.database()
    }

    fn plan(&self, wanted: &[Pinned]) -> RawPlan {
        // On paper, no lock is asked for.
        match !self.busy && self.is_killed() {
            true => RawPlan::default(),
            false => self.patch.plan(wanted),
        }
    }

    fn index_updated_at(&self) -> Option<jiff::Timestamp> {
        self.patch.index_updated_at()
    }

    fn refresh(&self, leave: MayAct) -> Result<(), PatchError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        self.patch.refresh(leave)
    }

    fn download(&self, wanted: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        self.ask("apt-get", || self.patch.download(wanted, leave))
    }

    fn keep_old(&self, old: &[Pinned], leave: MayAct) -> Result<Vec<Pinned>, PatchError> {
        self.ask("apt-get", || self.patch.keep_old(old, leave))
    }

    fn clean(&self, old: &[Pinned], new: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        let asked = (old.to_vec(), new.to_vec());
        self.cleaned.lock().expect("nobody panicked").push(asked);
        self.patch.clean(old, new, leave)
    }

    fn hold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.ask("apt-mark", || self.patch.hold(names, leave))
    }

    fn unhold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.ask("apt-mark", || self.patch.unhold(names, leave))
    }

    fn start(&self, spec: &Spec, leave: MayAct) -> Result<(), PatchError> {
        self.patch.start(spec, leave)
    }

    fn trace(&self, attempt: Uuid) -> RawTrace {
        self.patch.trace(attempt)
    }

    fn at_work(&self) -> Option<Vec<Uuid>> {
        self.patch.at_work()
    }

    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        self.patch.withdraw(attempt)
    }
}

impl BootHost for Killed {
    fn boot(&self) -> RawBoot {
        self.boot.boot()
    }

    fn pin(&self, entry: Option<&str>, kept: &[String], leave: MayAct) -> Result<(), BootError> {
        self.ask("grub-set-default", || self.boot.pin(entry, kept, leave))
    }

    fn arm(&self, way: &WayBack, leave: MayAct) -> Result<String, BootError> {
        self.ask("grub-reboot", || self.boot.arm(way, leave))
    }

    fn disarm(&self, exception: Exception) -> Result<(), BootError> {
        self.boot.disarm(exception)
    }

    fn restore(&self, entry: Option<&str>, leave: MayAct) -> Result<(), BootError> {
        self.boot.restore(entry, leave)
    }

    fn commit(&self, entry: &str, leave: MayAct) -> Result<(), BootError> {
        self.ask("grub-set-default", || self.boot.commit(entry, leave))
    }

    fn reboot(&self, how: Restart, leave: MayAct) -> Result<(), BootError> {
        self.boot.reboot(how, leave)
    }
}

impl Lab {
    /// Of this life, the first `calls` give no answer.
    fn kill(&mut self, calls: u32) -> Arc<Killed> {
        self.keep_out(calls, false)
    }

    fn keep_out(&mut self, calls: u32, busy: bool) -> Arc<Killed> {
        let server = &mut self.walker.server;
        let killed = Arc::new(Killed {
            patch: Arc::clone(&server.patch),
            boot: Arc::clone(&server.boot),
            left: AtomicU32::new(calls),
            busy,
            cleaned: Default::default(),
            fetched: AtomicU32::new(0),
        });
        server.patch = Arc::clone(&killed) as _;
        server.boot = Arc::clone(&killed) as _;
        killed
    }
}

/// Each tool in turn: the plan, the download, the archives of before, the pin, the one-shot.
#[rstest]
fn a_tool_that_is_killed_has_refused_nothing_and_is_asked_again(
    #[values(1, 2, 3, 4, 5, 6)] calls: u32,
) {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash_and_kernel(), BACK));
    lab.kill(calls);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!((lab.kernel().as_str(), lab.acts("reboot")), (NEW, 1));
}

#[test]
fn the_package_index_is_fetched_once_before_apt_is_asked_what_would_happen() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), BACK));
    let tools = lab.kill(0);
    assert_eq!(lab.walk().outcome, Outcome::Done);
    assert_eq!(tools.fetched.load(Ordering::SeqCst), 1);
}

#[test]
fn who_never_answers_counts_as_a_no_after_the_patience_for_it() {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), BACK));
    lab.kill(u32::MAX);
    let mut looks = 0;
    let report = loop {
        looks += 1;
        assert!(looks < 1_000, "it never ends");
        if let Walked::Ended(report) = lab.look() {
            break report;
        }
    };
    let patience = Patience::default().lock.as_secs();
    assert!(lab.seconds >= patience, "after {} s", lab.seconds);
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Refused"), "{report:?}");
}

#[rstest]
#[case::committed("", &[("bash=1.0", "bash=2.0")])]
#[case::not_committed("transaction.next nothing", &[])]
fn archives_are_cleaned_when_an_attempt_is_committed(
    #[case] fate: &str,
    #[case] expected: &[(&str, &str)],
) {
    let mut lab = Lab::new(false);
    if !fate.is_empty() {
        lab.fault(fate);
    }
    let server = lab.keep_out(0, false);
    lab.order(&order(1, bash(), BACK));
    lab.walk();
    let cleaned = server.cleaned.lock().expect("nobody panicked");
    let text = |pins: &[Pinned]| pins.iter().map(ToString::to_string).collect::<String>();
    let got: Vec<_> = cleaned.iter().map(|(o, n)| (text(o), text(n))).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(o, n)| (o.to_string(), n.to_string()))
        .collect();
    assert_eq!(got, expected);
}

/// The agent's own download of a life before may still be at work.
#[rstest]
fn a_download_that_meets_a_lock_waits_for_it(#[values(1, 5, 50)] calls: u32) {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), BACK));
    lab.keep_out(calls, true);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
}

#[test]
fn a_lock_that_a_download_waited_for_in_vain_is_told_with_its_holder() {
    let mut lab = Lab::new(false);
    lab.walker.patience.lock = Duration::from_secs(60);
    lab.order(&order(1, bash(), BACK));
    lab.keep_out(u32::MAX, true);
    let report = lab.walk();
    assert_eq!(report.reason, "DownloadFailed", "{report:?}");
    assert!(report.as_before && lab.seconds >= 60);
    let says = "It is held by process 7 (apt-get)";
    assert!(report.message.contains(says), "{}", report.message);
}

/// An agent that is told to stop after so many steps.
struct Stopping {
    moment: Moment,
    asked: std::cell::Cell<u32>,
    stops_at: u32,
}

impl Between for Stopping {
    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        Still(self.moment, Epoch(1)).coordinator()
    }

    fn moment(&mut self) -> Moment {
        self.moment
    }

    fn take(&mut self, _: &mut Ledger) {}

    fn is_stopping(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() >= self.stops_at
    }
}

#[rstest]
fn an_agent_that_stops_leaves_the_attempt_to_its_next_life(
    #[values(1, 2, 3, 4, 5, 6)] stops_at: u32,
) {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash(), BACK));
    let mut between = Stopping {
        moment: lab.moment(),
        asked: std::cell::Cell::new(0),
        stops_at,
    };
    let walked = lab.walker.walk_between(&mut lab.ledger, &mut between);
    let walked = walked.expect("walks");
    assert!(matches!(walked, Walked::Waiting { .. }), "{walked:?}");
    assert_eq!(between.asked.get(), stops_at, "nothing was done after that");
    lab.ledger = ledger(&lab.dir);
    lab.walker = walker(&lab.dir, &lab.sim);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.acts("transaction "), 1);
}
