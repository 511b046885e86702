//! The way as a log of steps: what is written down before and after each, and how an attempt goes
//! on from whatever was written last.

use h8lio_model::ids::BootId;
use serde::{Deserialize, Serialize};

use super::gates::Passed;
use super::machine::{Again, Event, Illegal, State, Terms, next};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Record {
    /// What was so before anything was changed: without it there is nothing to compare with.
    Before {
        boot_id: BootId,
        kernel: String,
        passed: Passed,
    },
    /// The step of this state is about to be done.
    Intent { state: State, boot_id: BootId },
    /// What came of it.
    Result { event: Event },
}

/// Where an attempt is, by its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub state: State,
    pub next: Next,
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
    for (at, record) in records.iter().enumerate() {
        match record {
            Record::Before { .. } if !looked => looked = true,
            // A step that is done again writes its intent again.
            Record::Intent { state: of, boot_id } if looked && *of == state => {
                open = Some(*boot_id);
            }
            // Nothing of a withdrawn attempt has to have begun.
            Record::Result { event }
                if (looked && open.is_some()) || *event == Event::Withdrawn =>
            {
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
        (Some(step), Some(begun_in)) if step.again == Again::Observe => Next::Observe { begun_in },
        (Some(_), _) => Next::Begin,
    };
    Ok(Position { state, next })
}

/// What was so before, if it was written down.
pub fn before(records: &[Record]) -> Option<(BootId, &str, &Passed)> {
    records.iter().find_map(|r| match r {
        Record::Before {
            boot_id,
            kernel,
            passed,
        } => Some((*boot_id, kernel.as_str(), passed)),
        _ => None,
    })
}
