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
    /// Nothing is listed and there is an excuse.
    fn unread(&self) -> bool {
        self.count == 0 && !self.problems.is_empty()
    }
}

/// Whether the lists must not be compared, since one of them was not read. Says so once, when
/// reading fails and when it works again; what changed in between cannot be told.
pub(super) fn unread(what: &str, old: &Seen<'_>, new: &Seen<'_>, out: &mut Events) -> bool {
    match (old.unread(), new.unread()) {
        (false, true) if old.count > 0 => {
            let why = new.problems.first().map_or_else(String::new, |p| {
                format!(": {}: {}", quoted(&p.what), phrase(&p.message))
            });
            let message = format!("{what} cannot be read any more ({} before){why}", old.count);
            out.warning(Reason::SectionUnread, message);
            true
        }
        (true, false) if new.count > 0 => {
            let message = format!("{what} can be read again: {}", new.count);
            out.info(Reason::SectionReadAgain, message);
            true
        }
        (old, new) => old || new,
    }
}
