//! The steps in which the package manager works: each is started once and then observed.

use uuid::Uuid;

use super::carry::Stands;
use super::subject::Subject;
use super::untold::Waits;
use super::{Now, Walker, doing};
use crate::host::patching::{Action, Pinned, Spec};
use crate::reconcile::patching::facts;
use crate::reconcile::patching::transaction::after::{After, after};
use crate::reconcile::patching::transaction::database::{self, Database, told};
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
            return self.applied(subject, now);
        }
        let Some(packages) = self.installable(subject) else {
            return self.give_up(attempt, now);
        };
        if packages.is_empty() {
            // Somebody brought them meanwhile: what was asked for must not begin later.
            self.server.patch.withdraw(attempt).ok()?;
            return self.applied(subject, now);
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
    pub(super) fn applied(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let transaction = subject.transaction("apply");
        let Some(database) = self.database() else {
            return self.untold(Waits::Unread, &[transaction], now);
        };
        let mut trace = self.server.patch.trace(transaction);
        if trace.running == Some(false) && (trace.withdrawn || !trace.specified) {
            // Everything had its version already.
            trace.begun = true;
        }
        Some(match outcome(&subject.changes, &trace, &database) {
            Outcome::NotBegun => return None,
            // A dpkg that was left behind is at work, or somebody else.
            Outcome::Running(_) if trace.running == Some(false) => {
                return self.untold(Waits::Busy, &[transaction], now);
            }
            Outcome::Running(progress) => {
                self.doing = progress.as_ref().map(doing::far);
                return self.untold(Waits::AtWork(transaction), &[transaction], now);
            }
            Outcome::Unknown { .. } => {
                return self.untold(Waits::AtWork(transaction), &[transaction], now);
            }
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
    pub(super) fn gets_leave(&mut self, subject: &Subject) -> bool {
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
}

pub(super) fn pins(changes: &[Change]) -> Vec<Pinned> {
    let pin = |c: &Change| Pinned::new(&c.name, &c.to).ok();
    changes.iter().filter_map(pin).collect()
}
