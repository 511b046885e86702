//! Tools that an agent runs and that come to no end of their own: a limit or a lack of memory ends
//! them, or whoever stops the agent ends them with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chance::Chance;

/// What becomes of the next tools.
#[derive(Debug, Default)]
pub struct Tools(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// So many answer before it goes wrong.
    left: u32,
    wrong: Option<Wrong>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// One gives no answer.
    Silence { happens: bool },
    /// The agent is being stopped, and all that it runs with it.
    Stop,
}

/// What is heard of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Answer,
    /// Nothing, though it did what it was asked.
    NothingButDone,
    /// Nothing, and it did nothing.
    Nothing,
    /// It was ended, and says so as if it had refused.
    Ended,
}

impl Tools {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the next few gives no answer.
    pub fn fall_silent(&self, chance: &mut Chance) {
        let left = chance.below(4);
        let happens = chance.below(2) == 1;
        *self.state() = State {
            left,
            wrong: Some(Wrong::Silence { happens }),
        };
    }

    /// After the next few the agent is being stopped.
    pub fn stop(&self, chance: &mut Chance) {
        let left = chance.below(4);
        *self.state() = State {
            left,
            wrong: Some(Wrong::Stop),
        };
    }

    /// All answer again.
    pub fn calm(&self) {
        *self.state() = State::default();
    }

    pub fn is_stopping(&self) -> bool {
        let state = self.state();
        state.left == 0 && state.wrong == Some(Wrong::Stop)
    }

    /// Asked for each tool.
    pub fn ask(&self) -> Heard {
        let mut state = self.state();
        match state.wrong {
            None => Heard::Answer,
            Some(_) if state.left > 0 => {
                state.left -= 1;
                Heard::Answer
            }
            Some(Wrong::Silence { happens }) => {
                state.wrong = None;
                match happens {
                    true => Heard::NothingButDone,
                    false => Heard::Nothing,
                }
            }
            Some(Wrong::Stop) => Heard::Ended,
        }
    }
}
