//! What each step does, and how its end is seen.

use h8lio_model::ids::BootId;
use h8lio_model::inventory::{RebootReason, RebootRequired};

use super::subject::Subject;
use super::{Log, Now, Walker};
use crate::host::boot::WayBack;
use crate::host::patching::{Action, PatchError, Pinned, Spec};
use crate::reconcile::patching::boot::after::{Came, Expected, came};
use crate::reconcile::patching::boot::environment::cannot_be_cleared;
use crate::reconcile::patching::boot::way_back::{
    Boot as Booting, Pin, can_lead_back, protected, way_back,
};
use crate::reconcile::patching::facts;
use crate::reconcile::patching::transaction::after::{After, Why, after};
use crate::reconcile::patching::transaction::class::Class;
use crate::reconcile::patching::transaction::database::{
    self, Database, Diagnosis, Repair, Step as RepairStep, repair, told,
};
use crate::reconcile::patching::transaction::judge::{
    Change, Direction, Sorted, Wanted, judge, sort,
};
use crate::reconcile::patching::transaction::outcome::{Outcome, outcome};
use crate::reconcile::patching::way::gates::{Health, health};
use crate::reconcile::patching::way::log::before;
use crate::reconcile::patching::way::machine::{Boot, Event, Found, State};
use crate::words::list;

impl Walker {
    /// Does what is left of the step and says what came of it; `None`: it goes on. `fresh` is the
    /// first look of this life.
    pub(super) fn look(
        &mut self,
        subject: &Subject,
        log: &Log,
        state: State,
        begun_in: BootId,
        fresh: bool,
        now: &Now,
    ) -> Option<Event> {
        let (_, old, passed) = before(log.records())?;
        let new = subject.kernel.as_deref().unwrap_or(old);
        match state {
            State::Preflight => self.preflight(subject, now),
            State::Repairing => match self.repair(subject, "before", now)? {
                true => Some(Event::Repaired),
                false => Some(Event::NotRepaired),
            },
            State::Downloading => Some(self.download(subject)),
            State::Securing => Some(self.secure(subject, old)),
            State::Releasing => Some(self.release()),
            State::Applying => self.apply(subject, now),
            State::Mending => match self.repair(subject, "mend", now)? {
                true => self.applied(subject),
                false => Some(Event::NotRepaired),
            },
            State::Settling | State::SettlingBack(_) => Some(self.settle(subject)),
            State::Booting => {
                let arm = old != new;
                self.boot(fresh, &expected(begun_in, old, new), arm, now)
            }
            // Every boot leads into the old kernel until the commit: there is nothing to arm.
            State::BootingBack(_) => self.boot(fresh, &expected(begun_in, new, old), false, now),
            State::Checking(_) if now.kernel != new => {
                Some(Event::NewBoot(found(&now.kernel, old)))
            }
            State::CheckingBack(_) if now.kernel != old => Some(Event::Unwell),
            State::Checking(_) => {
                let up = self.waited(now) >= self.patience.gates;
                self.check(health(passed, &self.server.gates.answers(), up))
            }
            State::CheckingBack(_) => {
                let up = self.waited(now) >= self.patience.gates;
                let seen = self.check(health(passed, &self.server.gates.answers(), up))?;
                Some(match seen {
                    Event::Well => self.hold(subject),
                    other => other,
                })
            }
            State::Committing if now.kernel != new => Some(Event::NewBoot(found(&now.kernel, old))),
            State::Committing => self.commit(old, new),
            State::PuttingBack(..) => self.put_back(subject, now),
            State::Ended(_) => None,
        }
    }

    fn database(&mut self) -> Option<Database> {
        match database::read(&self.server.patch.database()) {
            Ok(database) => Some(database),
            Err(e) => {
                self.note = e.to_string();
                None
            }
        }
    }

    fn preflight(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let late = self.waited(now) >= self.patience.lock;
        let Some(database) = self.database() else {
            return late.then_some(Event::Refused);
        };
        match database.diagnose() {
            Diagnosis::Busy(holders) => {
                self.note = holders.first().map(ToString::to_string).unwrap_or_default();
                return late.then_some(Event::Refused);
            }
            Diagnosis::Interrupted { .. } => return Some(Event::Interrupted),
            Diagnosis::Whole => {}
        }
        if let Some(wish) = &subject.wish
            && subject.target.is_none()
            && wish.is_met_by(now.boot_id)
        {
            self.note = "the boot that was to end has ended already".to_owned();
            return Some(Event::Refused);
        }
        let sorted = match self.sorted(subject, &database) {
            Ok(sorted) => sorted,
            Err(why) => {
                self.note = why;
                return Some(Event::Refused);
            }
        };
        if sorted.ask.is_empty() {
            return Some(Event::Fit);
        }
        match judge(&sorted.ask, &self.server.patch.plan(&sorted.ask)) {
            Ok(_) => Some(Event::Fit),
            Err(why) => {
                self.note = why.to_string();
                Some(Event::Refused)
            }
        }
    }

    fn sorted(&self, subject: &Subject, have: &Database) -> Result<Sorted, String> {
        let Some(target) = subject.target.clone() else {
            return Ok(Sorted::default());
        };
        let wanted = Wanted {
            target,
            held: self.held,
            direction: Direction::Forward,
        };
        sort(&wanted, have).map_err(|e| crate::chain(&e))
    }

    /// What of the order is still to be installed.
    fn to_install(&mut self, subject: &Subject) -> Option<Vec<Pinned>> {
        let database = self.database()?;
        match self.sorted(subject, &database) {
            Ok(sorted) => Some(sorted.ask),
            Err(why) => {
                self.note = why;
                None
            }
        }
    }

    fn download(&mut self, subject: &Subject) -> Event {
        let Some(ask) = self.to_install(subject) else {
            return Event::DownloadFailed;
        };
        match self.server.patch.download(&ask, self.leave) {
            Ok(()) => Event::Downloaded,
            Err(e) => {
                self.note = crate::chain(&e);
                Event::DownloadFailed
            }
        }
    }

    fn secure(&mut self, subject: &Subject, old: &str) -> Event {
        match self.secured(subject, old) {
            Ok(()) => Event::Secured,
            Err(why) => {
                self.note = why;
                Event::NoWayBack
            }
        }
    }

    fn secured(&self, subject: &Subject, old: &str) -> Result<(), String> {
        let text = |e: &dyn std::error::Error| crate::chain(e);
        if !subject.terms.forward_only {
            let pins = pins(&subject.reversed());
            let missing = self.server.patch.keep_old(&pins, self.leave);
            let missing = missing.map_err(|e| text(&e))?;
            if !missing.is_empty() {
                let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
                let names = list(&names, 5);
                return Err(format!("no repository has what is installed now: {names}"));
            }
        }
        if subject.terms.other_kernel {
            let boot = Booting::read(&self.server.boot.boot());
            let pin = can_lead_back(&boot, old).map_err(|e| text(&e))?;
            let database = database::read(&self.server.patch.database()).map_err(|e| text(&e))?;
            let installed: Vec<String> = database.packages.into_keys().collect();
            let entry = match &pin {
                Pin::Entry(entry) => Some(entry.as_str()),
                Pin::Order => None,
            };
            let kept = protected(old, &installed);
            let pinned = self.server.boot.pin(entry, &kept, self.leave);
            pinned.map_err(|e| text(&e))?;
        }
        Ok(())
    }

    fn release(&mut self) -> Event {
        if let Err(e) = self.server.boot.pin(None, &[], self.leave) {
            tracing::warn!(
                "packages stay protected from autoremove: {}",
                crate::chain(&e)
            );
        }
        Event::Released
    }

    fn spec(&self, subject: &Subject, what: &str, action: Action) -> Spec {
        Spec {
            attempt: subject.transaction(what),
            action,
            deadline_seconds: self.patience.transaction.as_secs(),
        }
    }

    fn apply(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let trace = self.server.patch.trace(subject.transaction("apply"));
        if trace.specified {
            return self.applied(subject).or_else(|| self.give_up(subject, now));
        }
        let packages = self.to_install(subject)?;
        if packages.is_empty() {
            return self.applied(subject);
        }
        let spec = self.spec(subject, "apply", Action::Install { packages });
        self.start(&spec);
        None
    }

    /// A transaction that was asked for and does not begin is withdrawn, and only then is it known
    /// that it has done nothing.
    fn give_up(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let attempt = subject.transaction("apply");
        let begun = self.server.patch.trace(attempt).begun;
        if begun || self.waited(now) < self.patience.boot {
            return None;
        }
        self.server.patch.withdraw(attempt).ok()?;
        self.note = "the transaction's unit did not start".to_owned();
        Some(Event::NothingApplied)
    }

    fn start(&mut self, spec: &Spec) {
        match self.server.patch.start(spec, self.leave) {
            Ok(()) | Err(PatchError::Known { .. }) => {}
            // Whether it was started after all is looked at next time.
            Err(e) => self.note = crate::chain(&e),
        }
    }

    /// What the transaction has become, seen in the database.
    fn applied(&mut self, subject: &Subject) -> Option<Event> {
        let database = self.database()?;
        let mut trace = self.server.patch.trace(subject.transaction("apply"));
        if !trace.specified {
            // Everything had its version already.
            trace.begun = true;
            trace.running = Some(false);
        }
        let boot = match self.after(subject).reboot.is_empty() && subject.wish.is_none() {
            true => Boot::NotNeeded,
            false => Boot::Needed,
        };
        Some(match outcome(&subject.changes, &trace, &database) {
            Outcome::NotBegun | Outcome::Running(_) | Outcome::Unknown { .. } => return None,
            Outcome::Applied(ending) => {
                if !ending.conffiles.is_empty() {
                    let kept = list(&ending.conffiles, 5);
                    self.note = format!("configuration files that stay their owner's: {kept}");
                }
                Event::Applied(boot)
            }
            Outcome::NothingDone(ending) => {
                self.note = format!("{:?}", ending.word);
                Event::NothingApplied
            }
            Outcome::PartlyDone { missing, .. } => {
                self.note = format!("not brought to their version: {}", list(&missing, 5));
                Event::PartlyApplied
            }
            Outcome::Damaged { broken, .. } => {
                self.note = told(&broken);
                Event::Damaged
            }
        })
    }

    fn after(&self, subject: &Subject) -> After {
        let facts = facts(&self.server.packages.packages());
        after(
            &subject.changes,
            &facts.services_to_restart,
            &facts.reboot_required,
        )
    }

    fn settle(&mut self, subject: &Subject) -> Event {
        let facts = facts(&self.server.packages.packages());
        let no_boot = RebootRequired {
            required: Some(false),
            reasons: Vec::new(),
        };
        for unit in after(&subject.changes, &facts.services_to_restart, &no_boot).restart {
            if let Err(e) = self.server.services.restart(&unit, self.leave) {
                // The gates tell whether that matters.
                tracing::warn!("{}", crate::chain(&e));
            }
        }
        Event::Settled
    }

    /// Runs the repair of `what` step by step; `None`: something is at work. Each step is a
    /// transaction of its own, whose id is the same after any crash.
    fn repair(&mut self, subject: &Subject, what: &str, now: &Now) -> Option<bool> {
        let boot = now.boot_id;
        let steps = [
            (RepairStep::ConfigureAll, Action::ConfigureAll),
            (RepairStep::FixBroken, Action::FixBroken),
        ];
        // What a boot interrupted is begun again in the next one.
        let id = |step: RepairStep| format!("{what} {step:?} {boot}");
        let done: Vec<RepairStep> = steps
            .iter()
            .map(|(step, _)| *step)
            .take_while(|step| {
                let trace = self.server.patch.trace(subject.transaction(&id(*step)));
                trace.begun && trace.running == Some(false)
            })
            .collect();
        let database = self.database()?;
        match repair(&done, &database) {
            Repair::Done => Some(true),
            Repair::Hopeless { left } => {
                self.note = format!("still broken after a repair: {}", told(&left));
                Some(false)
            }
            Repair::Wait(_) => None,
            Repair::Run(step) => {
                if done.is_empty() {
                    self.note = told(&database.broken);
                    tracing::warn!("{}", self.note);
                }
                let action = steps
                    .into_iter()
                    .find(|(s, _)| *s == step)
                    .map(|(_, a)| a)?;
                let spec = self.spec(subject, &id(step), action);
                self.start(&spec);
                None
            }
        }
    }

    /// Asks for a boot, after arming it for another kernel, and waits for it.
    fn boot(&mut self, fresh: bool, expected: &Expected, arm: bool, now: &Now) -> Option<Event> {
        if let Came::Up(found) = came(expected, now.boot_id, &now.kernel) {
            return Some(Event::NewBoot(found));
        }
        if !fresh {
            let late = self.waited(now) >= self.patience.boot;
            return late.then_some(Event::NotBooted);
        }
        match self.ask_for_boot(expected, arm) {
            Ok(()) => None,
            Err(why) => {
                self.note = why;
                Some(Event::NotBooted)
            }
        }
    }

    fn ask_for_boot(&self, expected: &Expected, arm: bool) -> Result<(), String> {
        let host = &self.server.boot;
        if arm {
            let way = way(&Booting::read(&host.boot()), &expected.from, &expected.to)?;
            let printed = host.arm(&way, self.leave).map_err(|e| crate::chain(&e))?;
            if cannot_be_cleared(&printed) {
                host.disarm(&way).map_err(|e| crate::chain(&e))?;
                return Err("GRUB says that it cannot take the one-shot back".to_owned());
            }
        }
        host.reboot(self.leave).map_err(|e| crate::chain(&e))
    }

    fn check(&mut self, health: Health) -> Option<Event> {
        match health {
            Health::Well => Some(Event::Well),
            Health::Wait(_) => None,
            Health::Unwell(gates) => {
                let names: Vec<String> = gates.iter().map(ToString::to_string).collect();
                self.note = format!("not as before: {}", list(&names, 5));
                Some(Event::Unwell)
            }
        }
    }

    fn commit(&mut self, old: &str, new: &str) -> Option<Event> {
        let host = &self.server.boot;
        let done = match old == new {
            true => Ok(()),
            false => way(&Booting::read(&host.boot()), old, new)
                .and_then(|way| host.commit(&way, self.leave).map_err(|e| crate::chain(&e))),
        };
        let done = done.and_then(|()| {
            let released = host.pin(None, &[], self.leave);
            released.map_err(|e| crate::chain(&e))
        });
        match done {
            Ok(()) => Some(Event::Committed),
            Err(why) => {
                // Well, and not made to last: said, and tried again.
                tracing::warn!("the change is not committed yet: {why}");
                None
            }
        }
    }

    fn put_back(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let reversed = subject.reversed();
        let database = self.database()?;
        if let Diagnosis::Interrupted { .. } = database.diagnose()
            && !self.repair(subject, "back", now)?
        {
            return Some(Event::NotPutBack);
        }
        let attempt = subject.transaction("put-back");
        let trace = self.server.patch.trace(attempt);
        let there = |c: &Change| database.package(&c.name).is_some_and(|k| k.version == c.to);
        if !trace.specified && !reversed.iter().all(there) {
            let packages = pins(&reversed);
            let spec = self.spec(subject, "put-back", Action::PutBack { packages });
            self.start(&spec);
            return None;
        }
        if trace.running == Some(true) || (trace.specified && !trace.begun) {
            return None;
        }
        // Whatever ended it: what counts is what is there.
        match (database.diagnose(), reversed.iter().all(there)) {
            (Diagnosis::Busy(_), _) => None,
            (Diagnosis::Whole, true) => {
                let reasons = after(
                    &reversed,
                    &[],
                    &facts(&self.server.packages.packages()).reboot_required,
                );
                // A kernel that came anew stays installed beside the old one, and is no reason to boot.
                let other = |why: &Why| {
                    !matches!(
                        why,
                        Why::Class(Class::Kernel) | Why::Said(RebootReason::Kernel { .. })
                    )
                };
                match reasons.reboot.iter().any(other) {
                    true => Some(Event::PutBack(Boot::Needed)),
                    false => Some(Event::PutBack(Boot::NotNeeded)),
                }
            }
            _ => Some(Event::NotPutBack),
        }
    }

    /// What went back stays where it is until a person lets it go.
    fn hold(&mut self, subject: &Subject) -> Event {
        let names: Vec<String> = subject.changes.iter().map(|c| c.name.clone()).collect();
        if let Err(e) = self.server.patch.hold(&names, self.leave) {
            tracing::warn!(
                "packages are not held after the fallback: {}",
                crate::chain(&e)
            );
        }
        Event::Well
    }
}

fn way(boot: &Booting, old: &str, new: &str) -> Result<WayBack, String> {
    way_back(boot, old, new).map_err(|e| e.to_string())
}

fn expected(boot_id: BootId, from: &str, to: &str) -> Expected {
    Expected {
        boot_id,
        from: from.to_owned(),
        to: to.to_owned(),
    }
}

fn found(running: &str, old: &str) -> Found {
    match running == old {
        true => Found::Old,
        false => Found::Other,
    }
}

fn pins(changes: &[Change]) -> Vec<Pinned> {
    let pin = |c: &Change| Pinned::new(&c.name, &c.to).ok();
    changes.iter().filter_map(pin).collect()
}
