//! A database that was cut off is repaired, and what cannot be repaired is looked at.

use h8lio_model::inventory::BrokenPackage;
use uuid::Uuid;

use super::carry::Stands;
use super::subject::Subject;
use super::transactions::pins;
use super::untold::Waits;
use super::{Now, Walker};
use crate::host::patching::{Action, Spec};
use crate::reconcile::patching::transaction::database::{
    Database, Repair, Step as RepairStep, repair, told,
};
use crate::reconcile::patching::transaction::judge::Change;
use crate::reconcile::patching::way::machine::Event;
use crate::words::list;

/// What came of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Repaired {
    Whole,
    /// Everything was tried once.
    Broken(Box<Database>),
    /// A step of it never began.
    Untried,
    Untold,
}

const STEPS: [(RepairStep, Action); 2] = [
    (RepairStep::ConfigureAll, Action::ConfigureAll),
    (RepairStep::FixBroken, Action::FixBroken),
];

impl Walker {
    /// Runs the repair of `what` step by step; `None`: something is at work. Each step is a
    /// transaction of its own, whose id is the same after any crash.
    pub(super) fn repair(&mut self, subject: &Subject, what: &str, now: &Now) -> Option<Repaired> {
        let boot = now.boot_id;
        // What a boot interrupted is begun again in the next one.
        let id = |step: &RepairStep| subject.transaction(&format!("{what} {step:?} {boot}"));
        let ids = STEPS.each_ref().map(|(step, _)| id(step));
        let stands = ids.map(|id| self.stands(id));
        let mut both = ids.iter().zip(stands);
        if let Some((at_work, _)) = both.find(|(_, s)| *s == Stands::AtWork) {
            return self.repairs(Waits::AtWork(*at_work), &ids, now);
        }
        let Some(database) = self.database() else {
            return self.repairs(Waits::Unread, &ids, now);
        };
        let over = stands.iter().take_while(|s| **s == Stands::Over).count();
        let done: Vec<RepairStep> = STEPS.iter().take(over).map(|(step, _)| *step).collect();
        match repair(&done, &database) {
            Repair::Done => Some(Repaired::Whole),
            Repair::Hopeless { left } => {
                self.note = format!("still broken after a repair: {}", told(&left));
                Some(Repaired::Broken(Box::new(database)))
            }
            Repair::Wait(holders) => {
                self.note = holders.first().map(ToString::to_string).unwrap_or_default();
                self.repairs(Waits::Busy, &ids, now)
            }
            Repair::Run(step) if self.stands(id(&step)) == Stands::Never => Some(Repaired::Untried),
            Repair::Run(step) => {
                if done.is_empty() {
                    let told = told(&database.broken);
                    self.warn_once(told.clone());
                    self.note = told;
                }
                self.ask_for_repair(id(&step), step, now)
            }
        }
    }

    fn repairs(&mut self, waits: Waits, ids: &[Uuid], now: &Now) -> Option<Repaired> {
        let told = self.untold(waits, ids, now);
        told.map(|_| Repaired::Untold)
    }

    fn ask_for_repair(&mut self, id: Uuid, step: RepairStep, now: &Now) -> Option<Repaired> {
        let (_, action) = STEPS.into_iter().find(|(s, _)| *s == step)?;
        let spec = Spec {
            attempt: id,
            action,
            deadline_seconds: self.patience.transaction.as_secs(),
        };
        self.ask_for(&spec, now);
        None
    }

    /// What the attempt changed and nobody can configure gives way to what was there before, where that
    /// was put aside and nothing else is broken.
    pub(super) fn unconfigured(
        &mut self,
        subject: &Subject,
        database: &Database,
        now: &Now,
    ) -> Option<Event> {
        let back = subject.reversed();
        if !subject.terms.falls_back() || !leads_back(&database.broken, &back, database) {
            return Some(Event::NotRepaired);
        }
        let note = self.note.clone();
        let kept = self.server.patch.keep_old(&pins(&back), self.leave);
        match kept {
            Ok(missing) if missing.is_empty() => Some(Event::Unconfigured),
            Ok(missing) => {
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                self.note = format!("{note}; not put aside: {}", list(&missing, 5));
                Some(Event::NotRepaired)
            }
            Err(e) => {
                let event = self.no(e.into(), Event::NotRepaired, now)?;
                self.note = format!("{note}; {}", self.note);
                Some(event)
            }
        }
    }
}

/// Whether all that is broken is among what goes back. An interrupted journal alone says nothing.
fn leads_back(broken: &[BrokenPackage], back: &[Change], have: &Database) -> bool {
    let known = |name: &str| have.package(name).map(|k| k.name.as_str());
    let goes_back = |b: &BrokenPackage| {
        let broken = known(&b.name);
        broken.is_some() && back.iter().any(|c| known(&c.name) == broken)
    };
    !broken.is_empty() && broken.iter().all(goes_back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::patching::RawDatabase;
    use crate::reconcile::patching::transaction::class::Class;
    use crate::reconcile::patching::transaction::database;

    fn have(text: &str) -> Database {
        let raw = RawDatabase {
            installed: Some(text.as_bytes().to_vec()),
            audit: Some(Vec::new()),
            journal: Some(Vec::new()),
            locks: Some(Vec::new()),
            problems: Vec::new(),
        };
        database::read(&raw).expect("understood")
    }

    fn back(names: &[&str]) -> Vec<Change> {
        let change = |name: &&str| Change {
            name: (*name).to_owned(),
            from: Some("2".to_owned()),
            to: "1".to_owned(),
            class: Class::Plain,
        };
        names.iter().map(change).collect()
    }

    #[test]
    fn only_what_the_attempt_changed_may_be_broken_whatever_dpkg_calls_it() {
        let dpkg = "ii \tdpkg\tamd64\t1.22\n";
        let broken = "iF \tlibx:amd64\tamd64\t2\niU \ttool\tall\t2\n";
        let other = "iF \tother\tamd64\t1\n";
        let foreign = "iF \tlibx:i386\ti386\t2\n";
        for (text, names, leads) in [
            ([dpkg, broken].concat(), vec!["libx", "tool", "more"], true),
            ([dpkg, broken].concat(), vec!["libx"], false),
            ([dpkg, broken, other].concat(), vec!["libx", "tool"], false),
            ([dpkg, foreign].concat(), vec!["libx"], false),
            ([dpkg, foreign].concat(), vec!["libx:i386"], true),
            (dpkg.to_owned(), vec!["libx"], false),
        ] {
            let have = have(&text);
            let got = leads_back(&have.broken, &back(&names), &have);
            assert_eq!(got, leads, "{text} {names:?}");
        }
    }
}
