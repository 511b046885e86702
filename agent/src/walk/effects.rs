//! What each step does, and how its end is seen.

use h8lio_model::ids::BootId;
use h8lio_model::inventory::RebootRequired;

use super::boots::kernels;
use super::holds::held_kernels;
use super::repair::Repaired;
use super::silence::No;
use super::subject::Subject;
use super::{Log, Now, Walker, doing};
use crate::reconcile::patching::boot::after::Expected;
use crate::reconcile::patching::facts;
use crate::reconcile::patching::transaction::after::after;
use crate::reconcile::patching::transaction::database::Diagnosis;
use crate::reconcile::patching::transaction::judge::judge;
use crate::reconcile::patching::way::gates::{Health, health};
use crate::reconcile::patching::way::log::before;
use crate::reconcile::patching::way::machine::{Event, Found, State};
use crate::words::list;

impl Walker {
    /// Does what is left of the step and says what came of it; `None`: it goes on.
    pub(super) fn look(
        &mut self,
        subject: &Subject,
        log: &mut Log,
        state: State,
        begun_in: BootId,
        now: &Now,
    ) -> Option<Event> {
        let (_, old, passed) = before(log.records())?;
        let (old, passed) = (old.to_owned(), passed.clone());
        let (old, passed) = (old.as_str(), &passed);
        let new = subject.kernel.as_deref().unwrap_or(old);
        self.waits.next();
        match state {
            State::Preflight => self.preflight(subject, now),
            State::Repairing => Some(match self.repair(subject, "before", now)? {
                Repaired::Whole => Event::Repaired,
                Repaired::Broken(_) | Repaired::Untried => Event::NotRepaired,
                Repaired::Untold => Event::Untold,
            }),
            State::Downloading => self.download(subject, now),
            State::Securing => self.secure(subject, old, now),
            State::Releasing => Some(self.release(subject, log)),
            State::Applying => self.apply(subject, now),
            State::Mending => match self.repair(subject, "mend", now)? {
                Repaired::Whole => self.applied(subject, now),
                Repaired::Broken(database) => self.unconfigured(subject, &database, now),
                Repaired::Untried => Some(Event::NotRepaired),
                Repaired::Untold => Some(Event::Untold),
            },
            State::Settling | State::SettlingBack(_) => Some(self.settle(subject)),
            State::Booting => self.boot(log, &expected(begun_in, old, new), now),
            State::BootingBack(_) => self.boot_back(&expected(begun_in, new, old), now),
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
                match seen {
                    Event::Well => self.hold(now),
                    other => Some(other),
                }
            }
            State::Committing if now.kernel != new => Some(Event::NewBoot(found(&now.kernel, old))),
            State::Committing => self.commit(old, new, now),
            State::PuttingBack(_, cause) => self.put_back(subject, cause, now),
            State::Ended(_) => None,
        }
    }

    pub(super) fn preflight(&mut self, subject: &Subject, now: &Now) -> Option<Event> {
        let late = self.waited(now) >= self.patience.lock;
        let Some(database) = self.database() else {
            return late.then_some(Event::Refused);
        };
        match database.diagnose() {
            Diagnosis::Busy(holders) => {
                self.note = holders.first().map(ToString::to_string).unwrap_or_default();
                self.doing = Some(doing::waits_for(&holders));
                return late.then_some(Event::Refused);
            }
            Diagnosis::Interrupted { .. } => return Some(Event::Interrupted),
            Diagnosis::Whole => {}
        }
        if let Err(no) = self.none_at_work() {
            return self.no(no, Event::Refused, now);
        }
        if let Some(wish) = &subject.wish
            && subject.target.is_none()
            && wish.is_met_by(now.boot_id)
        {
            self.note = "the boot that was to end has ended already".to_owned();
            return Some(Event::Refused);
        }
        if let Some(kernel) = &subject.kernel
            && !subject.installs(kernel)
            && !kernels(&database).contains(kernel)
        {
            self.note = format!("kernel {kernel} is neither installed nor ordered");
            return Some(Event::Refused);
        }
        if let Some(kernel) = &subject.kernel
            && held_kernels(&database).contains(kernel)
        {
            self.note = format!("the package of kernel {kernel} is held, so it is not booted");
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
        self.fetch_index(now);
        let plan = self.server.patch.plan(&sorted.ask);
        if plan.simulation.is_none() || plan.archives.is_none() {
            let why = plan.problems.first().map(|p| p.message.clone());
            let why = why.unwrap_or_else(|| "apt gave no answer".to_owned());
            return self.no(No::Silent(why), Event::Refused, now);
        }
        match judge(&sorted.ask, &plan) {
            Ok(_) => Some(Event::Fit),
            Err(why) => {
                self.note = why.to_string();
                Some(Event::Refused)
            }
        }
    }

    pub(super) fn settle(&mut self, subject: &Subject) -> Event {
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

    pub(super) fn check(&mut self, health: Health) -> Option<Event> {
        match health {
            Health::Well => Some(Event::Well),
            Health::Wait(gates) => {
                self.doing = Some(doing::not_yet(&gates));
                None
            }
            Health::Unwell(gates) => {
                let names: Vec<String> = gates.iter().map(ToString::to_string).collect();
                self.note = format!("not as before: {}", list(&names, 5));
                Some(Event::Unwell)
            }
        }
    }
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
