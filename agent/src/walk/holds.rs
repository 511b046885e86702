//! Packages that the agent holds by itself: noted before they are held, so that a hold of an operator's
//! is never taken for its own, and let go when an order says so.

use h8lio_model::order::OwnHold;

use super::subject::Subject;
use super::{Now, WalkError, Walker};
use crate::ledger::Ledger;
use crate::reconcile::patching::transaction::database::{self, Database};

impl Walker {
    /// Notes what is about to be held and what nobody holds yet.
    pub(super) fn note_holds(
        &self,
        ledger: &mut Ledger,
        subject: &Subject,
        now: &Now,
    ) -> Result<(), WalkError> {
        let Ok(have) = database::read(&self.server.patch.database()) else {
            return Ok(());
        };
        let names = subject.changes.iter().map(|c| c.name.as_str());
        let free = names.filter(|name| !is_held(&have, name));
        let note = free.filter_map(|name| {
            Some(OwnHold {
                package: name.parse().ok()?,
                attempt: subject.attempt,
                since: now.moment.wall,
            })
        });
        let note: Vec<OwnHold> = note.collect();
        ledger.change(|book| {
            book.note_holds(note);
            Ok(())
        })?;
        Ok(())
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
            book.keep_holds(|name| wanted.contains(name) || is_held(&have, name.as_str()));
            Ok(())
        })?;
        let own = ledger.book().holds().iter().map(|hold| &hold.package);
        let go = own.filter(|name| wanted.contains(*name) && is_held(&have, name.as_str()));
        let names: Vec<String> = go.map(ToString::to_string).collect();
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

fn is_held(have: &Database, name: &str) -> bool {
    have.package(name).is_some_and(|known| known.held)
}
