//! Packages that the agent holds by itself: noted before they are held, so that a hold of an operator's
//! is never taken for its own, and let go when an order says so.

use h8lio_model::order::{Outcome, OwnHold};

use super::subject::{Subject, stays};
use super::{Log, Now, WalkError, Walker};
use crate::ledger::Ledger;
use crate::reconcile::patching::parse::dpkg::{Known, kernel};
use crate::reconcile::patching::transaction::database::{self, Database};
use crate::reconcile::patching::way::log::Record;
use crate::reconcile::patching::way::machine::State;

impl Walker {
    /// Notes what is about to be held: what is there, and what nobody holds yet. What never came is
    /// no business of a hold. `false`: it is asked again, since nothing is held that is not noted.
    pub(super) fn note_holds(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        now: &Now,
    ) -> Result<bool, WalkError> {
        self.note_each(ledger, subject, now, |have| {
            let back = subject.changes.iter().filter(|c| !stays(c));
            back.map(|c| c.name.clone())
                .chain(images(have, subject))
                .collect()
        })
    }

    /// An attempt that halts has not gone back from its packages. The kernel that it was to bring and
    /// that does not run is held all the same, since whatever boots the server later would try it again.
    /// `false`: it is asked again.
    pub(super) fn holds_the_kernel(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        log: &Log,
        end: State,
        now: &Now,
    ) -> Result<bool, WalkError> {
        let State::Ended(how) = end else {
            return Ok(true);
        };
        let failed = how.outcome == Outcome::Failed && !how.as_before;
        let is_left = subject.kernel.as_ref().is_some_and(|k| *k != now.kernel);
        if !failed || !is_left || !was_armed(log) {
            return Ok(true);
        }
        if self.begun.is_none_or(|(state, _)| state != end) {
            self.begun = Some((end, now.moment.steady));
        }
        let noted = self.note_each(ledger, subject, now, |have| {
            let changes = subject.changes.iter().map(|c| &c.name);
            let its = changes.filter(|name| kernel(name) == subject.kernel);
            its.cloned().chain(images(have, subject)).collect()
        })?;
        Ok(noted && self.hold(now).is_some())
    }

    fn note_each(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        now: &Now,
        names: impl Fn(&Database) -> Vec<String>,
    ) -> Result<bool, WalkError> {
        self.noted.clear();
        let before = std::mem::take(&mut self.note);
        let Some(have) = self.database() else {
            let why = std::mem::replace(&mut self.note, before);
            let late = self.waited(now) >= self.patience.lock;
            let why = format!("nothing could be held after the fallback: {why}");
            self.warn_once(why.clone());
            if late {
                self.also(&why);
            }
            return Ok(late);
        };
        self.note = before;
        let is_free = |name: &String| have.package(name).is_some_and(|known| !known.held);
        let (names, note): (Vec<String>, Vec<OwnHold>) = names(&have)
            .into_iter()
            .filter(is_free)
            .filter_map(|name| Some((name.clone(), own(&name, subject, now)?)))
            .unzip();
        ledger.change(|book| {
            book.note_holds(note);
            Ok(())
        })?;
        self.noted = names;
        Ok(true)
    }

    /// Adds to what the attempt's end says, once.
    pub(super) fn also(&mut self, why: &str) {
        if self.note.contains(why) {
            return;
        }
        self.note = match self.note.as_str() {
            "" => why.to_owned(),
            before => format!("{before}; {why}"),
        };
    }

    /// Lets go what the order that is followed says, of what the agent held by itself. The note of it
    /// stays while the order says so, or the hold stands, unless somebody else holds the package since: what was read of the packages before may not
    /// look as if nothing had ever been held.
    pub(super) fn let_go(&mut self, ledger: &mut Ledger) -> Result<(), WalkError> {
        if ledger.book().holds().is_empty() {
            return Ok(());
        }
        let Ok(have) = database::read(&self.server.patch.database()) else {
            return Ok(());
        };
        let order = ledger.book().effective();
        let wanted = order.map(|order| order.content.let_go.clone());
        let wanted = wanted.unwrap_or_default();
        ledger.change(|book| {
            // Once per order: what is held again was held by somebody else.
            let own = book.holds().iter();
            let again = own.filter(|hold| book.is_gone(hold) && is_held(&have, hold));
            let again: Vec<OwnHold> = again.cloned().collect();
            book.keep_holds(|hold| {
                let stands = wanted.contains(&hold.package) || is_held(&have, hold);
                stands && !again.contains(hold)
            });
            book.note_gone(|hold| wanted.contains(&hold.package) && !is_held(&have, hold));
            Ok(())
        })?;
        let own = ledger.book().holds().iter();
        let go = own.filter(|hold| wanted.contains(&hold.package) && is_held(&have, hold));
        let names: Vec<String> = go.map(OwnHold::name).collect();
        if names.is_empty() {
            return Ok(());
        }
        match self.server.patch.unhold(&names, self.leave) {
            Ok(()) => tracing::info!("let go, by a person's word: {}", names.join(", ")),
            Err(e) => self.warn_once(crate::chain(&e)),
        }
        Ok(())
    }
}

/// The packages of the kernel that the boot was to bring, beside those that the order names: whatever
/// asks for a boot later must not lead into it again.
fn images(have: &Database, subject: &Subject) -> impl Iterator<Item = String> {
    let known = have.packages.values();
    let its = known.filter(|p| subject.kernel.is_some() && kernel(&p.name) == subject.kernel);
    let is_named = |known: &Known| {
        let mut named = subject.changes.iter();
        named.any(|c| have.package(&c.name) == Some(known))
    };
    its.filter(move |p| !is_named(p)).map(|p| p.name.clone())
}

/// Whether the boot into the other kernel was under way at all.
fn was_armed(log: &Log) -> bool {
    let mut records = log.records().iter();
    records.any(|r| matches!(r, Record::Armed { .. }))
}

/// Releases of kernels whose packages are held, by whomever.
pub(super) fn held_kernels(have: &Database) -> Vec<String> {
    let held = have.packages.values().filter(|p| p.held);
    held.filter_map(|p| kernel(&p.name)).collect()
}

fn own(name: &str, subject: &Subject, now: &Now) -> Option<OwnHold> {
    let (package, architecture) = match name.split_once(':') {
        Some((package, architecture)) => (package, Some(architecture.parse().ok()?)),
        None => (name, None),
    };
    Some(OwnHold {
        package: package.parse().ok()?,
        architecture,
        attempt: subject.attempt,
        since: now.moment.wall,
    })
}

fn is_held(have: &Database, hold: &OwnHold) -> bool {
    have.package(&hold.name()).is_some_and(|known| known.held)
}
