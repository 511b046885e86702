//! A process that dies at one of its effects: just before it, in the middle, or just after.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chance::Chance;

/// Where in an effect the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Before,
    /// A line is half written; what is written whole or not at all is not.
    Middle,
    After,
}

/// Counts the effects of one process. Blown, it lets no further one happen until a new life.
#[derive(Debug, Default)]
pub struct Fuse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    armed: Option<(u32, At)>,
    blown: bool,
}

/// What is to become of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Happens,
    /// It happens, and its process does not live to hear of it.
    HappensUnheard,
    Torn,
    Not,
}

impl Fuse {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Dies at one of the next few effects, if it makes so many.
    pub fn arm(&self, chance: &mut Chance) {
        let at = match chance.below(4) {
            0 => At::Before,
            1 => At::Middle,
            _ => At::After,
        };
        self.state().armed = Some((chance.below(4), at));
    }

    /// It was no use.
    pub fn disarm(&self) {
        self.state().armed = None;
    }

    /// A new life.
    pub fn renew(&self) {
        *self.state() = State::default();
    }

    pub fn is_blown(&self) -> bool {
        self.state().blown
    }

    /// Asked before each effect.
    pub fn ask(&self) -> Verdict {
        let mut state = self.state();
        if state.blown {
            return Verdict::Not;
        }
        match state.armed.take() {
            None => Verdict::Happens,
            Some((0, at)) => {
                state.blown = true;
                match at {
                    At::Before => Verdict::Not,
                    At::Middle => Verdict::Torn,
                    At::After => Verdict::HappensUnheard,
                }
            }
            Some((left, at)) => {
                state.armed = Some((left - 1, at));
                Verdict::Happens
            }
        }
    }

    /// Does an effect, if it happens. `dead` is what the caller gets who does not live on.
    ///
    /// # Errors
    /// Those of the effect, and `dead`.
    pub fn guard<T, E>(
        &self,
        effect: impl FnOnce() -> Result<T, E>,
        dead: impl FnOnce() -> E,
    ) -> Result<T, E> {
        match self.ask() {
            Verdict::Happens => effect(),
            Verdict::HappensUnheard => effect().and_then(|_| Err(dead())),
            Verdict::Torn | Verdict::Not => Err(dead()),
        }
    }
}
