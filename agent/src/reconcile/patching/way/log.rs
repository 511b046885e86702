//! The way as a log of steps: what is written down before and after each, and how an attempt goes
//! on from whatever was written last.

use std::time::Duration;

use h8lio_model::ids::BootId;
use serde::{Deserialize, Serialize};

use super::gates::Passed;
use super::machine::{Again, Event, Illegal, State, Terms, next};
use crate::reconcile::patching::boot::standing::Standing;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Record {
    /// What was so before anything was changed: without it there is nothing to compare with.
    Before {
        boot_id: BootId,
        kernel: String,
        passed: Passed,
        /// `None` in a log that an older agent began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ground: Option<Ground>,
    },
    /// The step of this state is about to be done.
    Intent { state: State, boot_id: BootId },
    /// The next boot leads into the kernel that is to be tried. Without it, a boot has tried none.
    Armed { boot_id: BootId },
    /// What ends that boot if the kernel hangs. Written down before the countdown runs.
    Covered { boot_id: BootId, by: Cover },
    /// The countdown was stopped, or its time has passed.
    Uncovered { boot_id: BootId },
    /// What came of it.
    Result { event: Event },
}

/// What ends a boot that hangs, which no panic does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Cover {
    /// The BMC resets the server after so long.
    Bmc { seconds: u64 },
    /// Nothing: the server would hang until a person comes.
    Nothing { why: String },
}

/// What the attempt stands on, besides what the server is measured by afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ground {
    /// The newest installed kernel of the running flavour, if none is newer than it. `None`: none
    /// that is as new as the one that runs, or it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The architecture of the server's own packages, where it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// GRUB's default.
    #[serde(default)]
    pub default: Standing,
}

/// Where an attempt is, by its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub state: State,
    pub next: Next,
    /// A repair changed the package database on the way, so the server is not as it was before,
    /// whatever became of the order.
    pub repaired: bool,
}

/// How it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Write down what is so before, which has not been done.
    LookFirst,
    /// Write the intent, then do the step.
    Begin,
    /// The step was begun in this boot and may be done or not: look what became of it.
    Observe { begun_in: BootId },
    /// It is over.
    Nothing,
}

/// Why a log makes no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    #[error("record {at} of the step log cannot follow on those before it")]
    OutOfPlace { at: usize },
    #[error("record {at} of the step log says that something happened which cannot")]
    Illegal {
        at: usize,
        #[source]
        source: Illegal,
    },
}

/// Reads a log, also one that ends anywhere.
///
/// # Errors
/// [`NoWay`]: then the attempt's end is unknown, and a person has to look.
pub fn position(records: &[Record], terms: &Terms) -> Result<Position, NoWay> {
    let mut state = State::FIRST;
    let mut open: Option<BootId> = None;
    let mut looked = false;
    let mut repaired = false;
    for (at, record) in records.iter().enumerate() {
        match record {
            Record::Before { .. } if !looked => looked = true,
            // A step that is done again writes its intent again.
            Record::Intent { state: of, boot_id } if looked && *of == state => {
                open = Some(*boot_id);
            }
            Record::Armed { .. } | Record::Covered { .. }
                if open.is_some() && state == State::Booting => {}
            Record::Uncovered { .. } if looked => {}
            // What happens once is not taken back when it was begun.
            Record::Result {
                event: Event::Withdrawn,
            } if open.is_some() && is_observed(state) => return Err(NoWay::OutOfPlace { at }),
            // Nothing of a withdrawn attempt has to have begun.
            Record::Result { event }
                if (looked && open.is_some()) || *event == Event::Withdrawn =>
            {
                repaired |= matches!(state, State::Repairing | State::Mending);
                let illegal = |source| NoWay::Illegal { at, source };
                let after = next(state, *event, terms).map_err(illegal)?;
                // A newer order does not end a step that goes on to its end.
                if after != state {
                    open = None;
                }
                state = after;
            }
            _ => return Err(NoWay::OutOfPlace { at }),
        }
    }
    let next = match (state.step(), open) {
        (None, _) => Next::Nothing,
        _ if !looked => Next::LookFirst,
        (Some(_), Some(begun_in)) if is_observed(state) => Next::Observe { begun_in },
        (Some(_), _) => Next::Begin,
    };
    Ok(Position {
        state,
        next,
        repaired,
    })
}

fn is_observed(state: State) -> bool {
    state.step().is_some_and(|s| s.again == Again::Observe)
}

/// What was so before, if it was written down.
pub fn before(records: &[Record]) -> Option<(BootId, &str, &Passed)> {
    records.iter().find_map(|r| match r {
        Record::Before {
            boot_id,
            kernel,
            passed,
            ..
        } => Some((*boot_id, kernel.as_str(), passed)),
        _ => None,
    })
}

/// What the attempt stands on, if it was written down.
pub fn ground(records: &[Record]) -> Option<&Ground> {
    records.iter().find_map(|r| match r {
        Record::Before { ground, .. } => ground.as_ref(),
        _ => None,
    })
}

/// Whether this step was ever begun.
pub fn has_begun(records: &[Record], state: State) -> bool {
    let of = |r: &Record| matches!(r, Record::Intent { state: of, .. } if *of == state);
    records.iter().any(of)
}

/// How often the running step was begun, and whether its last boot was armed.
pub fn tries(records: &[Record]) -> (usize, bool) {
    let ends = |r: &Record| matches!(r, Record::Result { event } if *event != Event::Withdrawn);
    let step = records.rsplit(ends);
    let step = step.into_iter().next().unwrap_or_default();
    let begun = |r: &&Record| matches!(r, Record::Intent { .. });
    let told = step.iter().rev().take_while(|r| !begun(r));
    let is_armed = told.into_iter().any(|r| matches!(r, Record::Armed { .. }));
    (step.iter().filter(begun).count(), is_armed)
}

/// What would have ended the last boot into another kernel, if it had hung.
pub fn cover(records: &[Record]) -> Option<&Cover> {
    records.iter().rev().find_map(|r| match r {
        Record::Covered { by, .. } => Some(by),
        _ => None,
    })
}

/// For how long the BMC was told to count, where nothing says that it does not any more.
pub fn counting(records: &[Record]) -> Option<Duration> {
    let last = records.iter().rev().find_map(|r| match r {
        Record::Covered { by, .. } => Some(Some(by)),
        Record::Uncovered { .. } => Some(None),
        _ => None,
    });
    match last.flatten() {
        Some(Cover::Bmc { seconds }) => Some(Duration::from_secs(*seconds)),
        Some(Cover::Nothing { .. }) | None => None,
    }
}
