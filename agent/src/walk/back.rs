//! The way back: what was there before is installed again, and held.

use h8lio_model::inventory::RebootReason;

use super::carry::Stands;
use super::repair::Repaired;
use super::subject::Subject;
use super::transactions::pins;
use super::untold::Waits;
use super::{Now, Walker};
use crate::host::patching::Action;
use crate::reconcile::patching::facts;
use crate::reconcile::patching::transaction::after::{Why, after};
use crate::reconcile::patching::transaction::class::Class;
use crate::reconcile::patching::transaction::database::Diagnosis;
use crate::reconcile::patching::transaction::judge::Change;
use crate::reconcile::patching::way::machine::{Boot, Cause, Event};
use crate::words::list;

impl Walker {
    /// Puts the old versions back, once. What cannot be configured is not repaired first: it was tried,
    /// and the old archive takes its place.
    pub(super) fn put_back(&mut self, subject: &Subject, cause: Cause, now: &Now) -> Option<Event> {
        let reversed = subject.reversed();
        let packages = pins(&reversed);
        let spec = self.spec(subject, "put-back", Action::PutBack { packages });
        let stands = self.stands(spec.attempt);
        if stands == Stands::AtWork {
            return self.untold(Waits::AtWork(spec.attempt), &[spec.attempt], now);
        }
        let Some(database) = self.database() else {
            return self.untold(Waits::Unread, &[spec.attempt], now);
        };
        let is_broken = matches!(database.diagnose(), Diagnosis::Interrupted { .. });
        let replaces = cause == Cause::DatabaseDamaged && stands == Stands::NotBegun;
        if is_broken && !replaces {
            return match self.repair(subject, "back", now)? {
                // It is looked at anew.
                Repaired::Whole => None,
                Repaired::Broken(_) | Repaired::Untried => Some(Event::NotPutBack),
                Repaired::Untold => Some(Event::Untold),
            };
        }
        let there = |c: &Change| database.package(&c.name).is_some_and(|k| k.version == c.to);
        let is_there = reversed.iter().all(there);
        if stands == Stands::NotBegun && (is_broken || !is_there) {
            if !self.is_kept_waiting(now) {
                self.ask_for(&spec, now);
            }
            return None;
        }
        if stands == Stands::NotBegun {
            self.server.patch.withdraw(spec.attempt).ok()?;
        }
        // Whatever ended it: what counts is what is there.
        match (database.diagnose(), is_there) {
            (Diagnosis::Busy(holders), _) => {
                self.note = holders.first().map(ToString::to_string).unwrap_or_default();
                self.untold(Waits::Busy, &[spec.attempt], now)
            }
            (Diagnosis::Whole, true) => Some(Event::PutBack(self.boot_back_after(subject))),
            _ => Some(Event::NotPutBack),
        }
    }

    /// A kernel that came anew stays installed beside the old one, and is no reason to boot.
    fn boot_back_after(&mut self, subject: &Subject) -> Boot {
        let said = facts(&self.server.packages.packages()).reboot_required;
        let reasons = after(&subject.reversed(), &[], &said);
        let other = |why: &Why| {
            !matches!(
                why,
                Why::Class(Class::Kernel) | Why::Said(RebootReason::Kernel { .. })
            )
        };
        match reasons.reboot.iter().any(other) && self.gets_leave(subject) {
            true => Boot::Needed,
            false => Boot::NotNeeded,
        }
    }

    /// What went back stays where it is until a person lets it go.
    pub(super) fn hold(&mut self, now: &Now) -> Option<Event> {
        let names = std::mem::take(&mut self.noted);
        if names.is_empty() {
            return Some(Event::Well);
        }
        let Err(e) = self.server.patch.hold(&names, self.leave) else {
            return Some(Event::Well);
        };
        let before = self.note.clone();
        let well = self.no(e.into(), Event::Well, now);
        let said = std::mem::replace(&mut self.note, before);
        if well.is_some() {
            let why = format!(
                "{} could not be held after the fallback: {said}",
                list(&names, 5)
            );
            tracing::warn!("{why}");
            self.also(&why);
        }
        well
    }
}
