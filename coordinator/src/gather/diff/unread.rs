//! A list that is empty because nobody could look.

use h8lio_model::inventory::Problem;

use super::super::inventory::{phrase, quoted};
use super::Events;
use super::reason::Reason;

/// One side of a comparison: how many things were listed, and what could not be read.
pub(super) struct Seen<'a> {
    pub(super) count: usize,
    pub(super) problems: &'a [Problem],
}

impl Seen<'_> {
    /// Nothing is listed, with an excuse that the other side does not have. A problem that stands
    /// on both sides (a tool that was never installed) excuses nothing: what it hides was hidden
    /// before.
    fn excuse(&self, other: &Self) -> Option<&Problem> {
        let listed = |p: &Problem| {
            let mut others = other.problems.iter();
            others.any(|o| (&o.what, &o.reason) == (&p.what, &p.reason))
        };
        let fresh = self.problems.iter().find(|p| !listed(p));
        fresh.filter(|_| self.count == 0)
    }
}

/// Whether the lists must not be compared, since one of them was not read. Says so once, when
/// reading fails and when it works again; what changed in between cannot be told.
pub(super) fn unread(what: &str, old: &Seen<'_>, new: &Seen<'_>, out: &mut Events) -> bool {
    if let (Some(why), true) = (new.excuse(old), old.count > 0) {
        let (probe, why) = (quoted(&why.what), phrase(&why.message));
        let message = format!(
            "{what} cannot be read any more ({} before): {probe}: {why}",
            old.count
        );
        out.warning(Reason::SectionUnread, message);
        return true;
    }
    if old.excuse(new).is_some() && new.count > 0 {
        let message = format!("{what} can be read again: {}", new.count);
        out.info(Reason::SectionReadAgain, message);
        return true;
    }
    false
}
