//! Facts change → events: what a person or a program following the fleet wants to be told.
//!
//! Rules that hold in every domain:
//! - The first report of a server says nothing (its conditions: one summary), so that enrolling a
//!   thousand servers does not bury what matters.
//! - Unknown is not a value. From unknown to good says nothing, from unknown to bad is said (it
//!   may have gone bad unseen), from known to unknown is said by the section's problems and
//!   conditions, not here.
//! - A list that turned empty while the agent reports that it could not look is *unread*: nothing
//!   vanished.
//! - Things are matched by what they are (WWN, OSD id), never by where they are (device name).
//! - One report gives at most [`MAX_EVENTS`]; the gravest are kept and the rest is counted.

mod conditions;
mod disks;
mod hardware;
mod managers;
mod network;
mod os;
mod osds;
mod packages;
mod pair;
mod reason;
mod runtime;
mod unread;

use h8lio_model::event::Severity;
use h8lio_model::section::SectionKind;
use serde::de::DeserializeOwned;

use super::inventory::{BadSection, check, clean, parse};
use reason::Reason;

/// Most events that one report gives, the summary of what was left out included.
pub const MAX_EVENTS: usize = 64;
/// Longest message, bytes.
pub const MAX_MESSAGE_BYTES: usize = 512;

/// Something that changed on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactEvent {
    pub severity: Severity,
    /// CamelCase word for programs; docs/events.md lists them all.
    pub reason: &'static str,
    /// One sentence without control characters, at most [`MAX_MESSAGE_BYTES`].
    pub message: String,
}

/// What changed between two reports of one section of one server. `old` is what was known before,
/// `None` before the first report. An `old` that cannot be read any more (written by a release
/// that this one does not follow) gives one event that says so.
///
/// # Errors
/// [`BadSection`] when `new` is not a section of this kind; nothing of it should be kept then.
pub fn diff(
    kind: SectionKind,
    old: Option<&[u8]>,
    new: &[u8],
) -> Result<Vec<FactEvent>, BadSection> {
    let mut events = Events::default();
    match kind {
        SectionKind::Hardware => compare(kind, old, new, hardware::diff, &mut events),
        SectionKind::Os => compare(kind, old, new, os::diff, &mut events),
        SectionKind::Packages => compare(kind, old, new, packages::diff, &mut events),
        SectionKind::Disks => compare(kind, old, new, disks::diff, &mut events),
        SectionKind::Osds => compare(kind, old, new, osds::diff, &mut events),
        SectionKind::Network => compare(kind, old, new, network::diff, &mut events),
        SectionKind::Runtime => compare(kind, old, new, runtime::diff, &mut events),
        SectionKind::Managers => compare(kind, old, new, managers::diff, &mut events),
        SectionKind::Conditions => {
            if old.is_none() {
                conditions::first(&parse::<Vec<_>>(kind, new)?, &mut events);
            }
            let diff = |old: &Vec<_>, new: &Vec<_>, out: &mut Events| {
                conditions::diff(old, new, out);
            };
            compare(kind, old, new, diff, &mut events)
        }
        // Readings move all the time; nothing of them is an event.
        // The same of what is followed now; ends of attempts are events of the executor.
        SectionKind::Vitals | SectionKind::Orders => check(kind, new),
    }?;
    Ok(events.bounded(kind))
}

/// Reads both sides and compares them.
fn compare<T: DeserializeOwned>(
    kind: SectionKind,
    old: Option<&[u8]>,
    new: &[u8],
    diff: fn(&T, &T, &mut Events),
    events: &mut Events,
) -> Result<(), BadSection> {
    let new: T = parse(kind, new)?;
    match old.map(|old| parse::<T>(kind, old)) {
        None => {}
        Some(Ok(old)) => diff(&old, &new, events),
        Some(Err(why)) => events.warning(
            Reason::EarlierReportUnreadable,
            format!(
                "what changed in {kind} is not known: the earlier report is unreadable ({why})"
            ),
        ),
    }
    Ok(())
}

/// Collects the events of one report.
#[derive(Debug, Default)]
struct Events(Vec<FactEvent>);

impl Events {
    fn info(&mut self, reason: Reason, message: impl AsRef<str>) {
        self.push(Severity::Info, reason, message);
    }

    fn warning(&mut self, reason: Reason, message: impl AsRef<str>) {
        self.push(Severity::Warning, reason, message);
    }

    fn alert(&mut self, reason: Reason, message: impl AsRef<str>) {
        self.push(Severity::Alert, reason, message);
    }

    /// Values in a message are [`quoted`](super::inventory::quoted) where they are written; the
    /// whole is cleaned once more here, so that a place forgotten there does no harm.
    fn push(&mut self, severity: Severity, reason: Reason, message: impl AsRef<str>) {
        self.0.push(FactEvent {
            severity,
            reason: reason.as_str(),
            message: clean(message.as_ref(), MAX_MESSAGE_BYTES),
        });
    }

    /// The events, the gravest [`MAX_EVENTS`] of them.
    fn bounded(mut self, kind: SectionKind) -> Vec<FactEvent> {
        if self.0.len() <= MAX_EVENTS {
            return self.0;
        }
        // Stable: within one severity the order of the report stays.
        self.0.sort_by_key(|e| std::cmp::Reverse(e.severity));
        let left_out = self.0.split_off(MAX_EVENTS - 1);
        let gravest = left_out.first().map_or(Severity::Info, |e| e.severity);
        let count = left_out.len();
        let message = format!(
            "{count} further changes in {kind} were reported at once and are not listed; look at the node's inventory"
        );
        self.push(gravest, Reason::FurtherChanges, message);
        self.0
    }
}

#[cfg(test)]
mod tests;
