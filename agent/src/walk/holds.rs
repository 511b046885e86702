//! Packages that the agent holds by itself: noted before they are held, so that a hold of an operator's
//! is never taken for its own, and let go when an order says so.

use h8lio_model::order::OwnHold;

use super::subject::Subject;
use super::{Now, WalkError, Walker};
use crate::ledger::Ledger;
use crate::reconcile::patching::transaction::database::{self, Database};

impl Walker {
    /// Notes what is about to be held: what is there, and what nobody holds yet. What never came is
    /// no business of a hold. `false`: it is asked again, since nothing is held that is not noted.
    pub(super) fn note_holds(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        now: &Now,
    ) -> Result<bool, WalkError> {
        self.noted.clear();
        let Some(have) = self.database() else {
            let why = std::mem::take(&mut self.note);
            self.warn_once(format!("nothing can be held after the fallback: {why}"));
            return Ok(self.waited(now) >= self.patience.lock);
        };
        let names = subject.changes.iter().map(|c| &c.name);
        let is_free = |name: &&String| have.package(name).is_some_and(|known| !known.held);
        let (names, note): (Vec<String>, Vec<OwnHold>) = names
            .filter(is_free)
            .filter_map(|name| Some((name.clone(), own(name, subject, now)?)))
            .unzip();
        ledger.change(|book| {
            book.note_holds(note);
            Ok(())
        })?;
        self.noted = names;
        Ok(true)
    }

    /// Lets go what the order that is followed says, of what the agent held by itself. The note of it
    /// stays while the order says so, or the hold stands: what was read of the packages before may not
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
            book.keep_holds(|hold| wanted.contains(&hold.package) || is_held(&have, hold));
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
