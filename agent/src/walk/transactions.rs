//! The steps in which the package manager works: each is started once and then observed.

use h8lio_model::inventory::RebootReason;
use uuid::Uuid;

use super::carry::Stands;
use super::subject::Subject;
use super::{Now, Walker, doing};
use crate::host::patching::{Action, Pinned, Spec};
use crate::reconcile::patching::facts;
use crate::reconcile::patching::transaction::after::{After, Why, after};
use crate::reconcile::patching::transaction::class::Class;
use crate::reconcile::patching::transaction::database::{
    self, Database, Diagnosis, Repair, Step as RepairStep, repair, told,
};
use crate::reconcile::patching::transaction::judge::{Change, Direction, Sorted, Wanted, sort};
use crate::reconcile::patching::transaction::outcome::{Outcome, outcome};
use crate::reconcile::patching::way::machine::{Boot, Event};
use crate::words::list;

impl Walker {
    pub(super) fn database(&mut self) -> Option<Database> {
        match database::read(&self.server.patch.database()) {
            Ok(database) => Some(database),
            Err(e) => {
                self.note = e.to_string();
                None
            }
        }
    }

    pub(super) fn sorted(&self, subject: &Subject, have: &Database) -> Result<Sorted, String> {
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
    pub(super) fn installable(&mut self, subject: &Subject) -> Option<Vec<Pinned>> {
        let database = self.database()?;
        match self.sorted(subject, &database) {
            Ok(sorted) => Some(sorted.ask),
            Err(why) => {
                self.note = why;
                None
            }
        }
    }

    pub(super) fn download(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let Some(ask) = self.installable(subject) else {
            return Some(Event::DownloadFailed);
        };
        if !ask.is_empty() && self.is_kept_waiting(now) {
            return None;
        }
        match self.server.patch.download(&ask, self.leave) {
            Ok(()) => Some(Event::Downloaded),
            Err(e) => self.no(e.into(), Event::DownloadFailed, now),
        }
    }

    pub(super) fn spec(&self, subject: &Subject, what: &str, action: Action) -> Spec {
        Spec {
            attempt: subject.transaction(what),
            action,
            deadline_seconds: self.patience.transaction.as_secs(),
        }
    }

    pub(super) fn apply(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let attempt = subject.transaction("apply");
        let stands = self.stands(attempt);
        if matches!(stands, Stands::AtWork | Stands::Over) {
            return self.applied(subject);
        }
        let Some(packages) = self.installable(subject) else {
            return self.give_up(attempt, now);
        };
        if packages.is_empty() {
            // Somebody brought them meanwhile: what was asked for must not begin later.
            self.server.patch.withdraw(attempt).ok()?;
            return self.applied(subject);
        }
        if stands == Stands::Never {
            return Some(Event::NothingApplied);
        }
        if !self.is_kept_waiting(now) {
            let spec = self.spec(subject, "apply", Action::Install { packages });
            self.ask_for(&spec, now);
        }
        None
    }

    /// What the order cannot be applied to for so long is left as it is: only when it is withdrawn is
    /// it known that nothing of it will happen.
    fn give_up(&self, transaction: Uuid, now: &Now) -> Option<Event> {
        let late = self.waited(now) >= self.patience.boot;
        let withdrawn = late && self.server.patch.withdraw(transaction).is_ok();
        withdrawn.then_some(Event::NothingApplied)
    }

    /// What the transaction has become, seen in the database.
    pub(super) fn applied(&mut self, subject: &Subject) -> Option<Event> {
        let database = self.database()?;
        let mut trace = self.server.patch.trace(subject.transaction("apply"));
        if trace.running == Some(false) && (trace.withdrawn || !trace.specified) {
            // Everything had its version already.
            trace.begun = true;
        }
        Some(match outcome(&subject.changes, &trace, &database) {
            Outcome::Running(progress) => {
                self.doing = progress.as_ref().map(doing::far);
                return None;
            }
            Outcome::NotBegun | Outcome::Unknown { .. } => return None,
            Outcome::Applied(ending) => {
                if !ending.conffiles.is_empty() {
                    let kept = list(&ending.conffiles, 5);
                    self.note = format!("configuration files that stay their owner's: {kept}");
                }
                Event::Applied(self.boot_after(subject))
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

    /// Asked once, when all is applied: needrestart takes seconds.
    fn boot_after(&mut self, subject: &Subject) -> Boot {
        if subject.wish.is_some() {
            return Boot::Needed;
        }
        let due = !self.after(subject).reboot.is_empty();
        match due && self.gets_leave(subject) {
            true => Boot::Needed,
            false => Boot::NotNeeded,
        }
    }

    /// Whether the server may be booted because of something that asks for it; a no is told.
    fn gets_leave(&mut self, subject: &Subject) -> bool {
        if !subject.boots() {
            let no = "a boot is due that was not ordered, so there is no way back from it yet";
            self.note = match self.note.as_str() {
                "" => no.to_owned(),
                before => format!("{before}; {no}"),
            };
        }
        subject.boots()
    }

    pub(super) fn after(&self, subject: &Subject) -> After {
        let facts = facts(&self.server.packages.packages());
        after(
            &subject.changes,
            &facts.services_to_restart,
            &facts.reboot_required,
        )
    }

    /// Runs the repair of `what` step by step; `None`: something is at work. Each step is a
    /// transaction of its own, whose id is the same after any crash.
    pub(super) fn repair(&mut self, subject: &Subject, what: &str, now: &Now) -> Option<bool> {
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
                let attempt = subject.transaction(&id(*step));
                self.stands(attempt) == Stands::Over
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
                let action = steps
                    .into_iter()
                    .find(|(s, _)| *s == step)
                    .map(|(_, a)| a)?;
                let spec = self.spec(subject, &id(step), action);
                match self.stands(spec.attempt) {
                    Stands::Never => return Some(false),
                    Stands::AtWork | Stands::Over => return None,
                    Stands::NotBegun => {}
                }
                if done.is_empty() {
                    let told = told(&database.broken);
                    self.warn_once(told.clone());
                    self.note = told;
                }
                self.ask_for(&spec, now);
                None
            }
        }
    }

    pub(super) fn put_back(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let reversed = subject.reversed();
        let database = self.database()?;
        if let Diagnosis::Interrupted { .. } = database.diagnose()
            && !self.repair(subject, "back", now)?
        {
            return Some(Event::NotPutBack);
        }
        let there = |c: &Change| database.package(&c.name).is_some_and(|k| k.version == c.to);
        let packages = pins(&reversed);
        let spec = self.spec(subject, "put-back", Action::PutBack { packages });
        match self.stands(spec.attempt) {
            Stands::AtWork => return None,
            Stands::NotBegun if reversed.iter().all(there) => {
                self.server.patch.withdraw(spec.attempt).ok()?;
            }
            Stands::NotBegun => {
                if !self.is_kept_waiting(now) {
                    self.ask_for(&spec, now);
                }
                return None;
            }
            Stands::Over | Stands::Never => {}
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
                match reasons.reboot.iter().any(other) && self.gets_leave(subject) {
                    true => Some(Event::PutBack(Boot::Needed)),
                    false => Some(Event::PutBack(Boot::NotNeeded)),
                }
            }
            _ => Some(Event::NotPutBack),
        }
    }

    /// What went back stays where it is until a person lets it go.
    pub(super) fn hold(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let names: Vec<String> = subject.changes.iter().map(|c| c.name.clone()).collect();
        let Err(e) = self.server.patch.hold(&names, self.leave) else {
            return Some(Event::Well);
        };
        let well = self.no(e.into(), Event::Well, now)?;
        tracing::warn!("packages are not held after the fallback: {}", self.note);
        Some(well)
    }
}

pub(super) fn pins(changes: &[Change]) -> Vec<Pinned> {
    let pin = |c: &Change| Pinned::new(&c.name, &c.to).ok();
    changes.iter().filter_map(pin).collect()
}
