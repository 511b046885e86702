//! Whether a node is heard: a pure state machine with hysteresis.
//!
//! The coordinator feeds it what happened (a beat, a closed stream, a tick) with its own
//! monotonic time; the machine never reads a clock. It never says that a server is *dead*: that
//! takes a `FenceProof`.

use std::time::Duration;

use crate::lifecycle::Availability;

/// Monotonic time of the coordinator since its start.
pub type Mono = Duration;

/// The timings of detection. Units are durations of the coordinator's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Interval that the agents are told to beat at.
    pub beat: Duration,
    /// Silence after which a node becomes `Suspect`. Default 2.5 beats: one lost beat is no news.
    pub suspect_after: Duration,
    /// Silence after which it becomes `Unreachable`. Default 3.5 beats: two lost in a row are no
    /// outage yet, and with the observer's tick it is said within 4 s at a beat of 1 s.
    pub unreachable_after: Duration,
    /// A node that was `Suspect` or `Unreachable` must be heard for this long without a gap
    /// before it is `Online` again, so that one flapping 5 s/5 s never counts as well.
    pub stable_for: Duration,
    /// Silence that an announced restart of the agent may take. Twice `unreachable_after`: a
    /// restart takes one or two seconds, and a server that dies in the middle of it must not go
    /// unnoticed for as long as a whole fleet may take to return.
    pub restart_within: Duration,
    /// After a start, a leadership change, a pause or a store stall: no verdict for this long.
    pub warm_up: Duration,
}

impl Timing {
    /// The default timings for a beat interval.
    pub fn for_beat(beat: Duration) -> Self {
        Self {
            beat,
            suspect_after: beat * 5 / 2,
            unreachable_after: (beat * 7 / 2).max(Duration::from_millis(3_500)),
            stable_for: (beat * 6).max(Duration::from_secs(6)),
            restart_within: (beat * 7).max(Duration::from_secs(7)),
            warm_up: (beat * 10).max(Duration::from_secs(15)),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A session opened or a beat arrived.
    Heard,
    /// The stream ended without a goodbye: the agent's process or its connection died.
    StreamClosed,
    /// The agent said that it stops on purpose and returns (restart, upgrade).
    Goodbye,
    /// The agent said that its server goes down: what follows is silence, and that is no failure.
    GoingDown,
    /// An operator has banned it: it is refused, and its silence says nothing. Only an amnesty
    /// leads out.
    Banned,
    /// Time passed.
    Tick,
    /// The coordinator could not watch for a while: start anew with a full grace.
    Amnesty,
}

/// Why the state is what it is; shown to operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Beats arrive.
    Beating,
    /// It came back and has to stay for `stable_for` first.
    Stabilizing,
    /// The coordinator has not heard from it since its own start.
    NotHeardSinceStart,
    /// Its stream closed.
    StreamClosed,
    /// It announced a restart.
    Restarting,
    /// It announced that the server goes down.
    GoingDown,
    /// It is banned, and therefore not heard.
    Banned,
    /// No beat for this long.
    Silent,
}

/// The machine's memory for one node. 80 bytes or less: there is one per node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    state: Availability,
    why: Why,
    /// Last time it was heard; before the first time, when watching began.
    last_heard: Mono,
    /// Since when it has been heard without a gap; meaningful while `Stabilizing`.
    heard_since: Mono,
    /// No verdict before this.
    grace_until: Mono,
    since: Mono,
}

/// A change of state, for an event and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub from: Availability,
    pub to: Availability,
    pub why: Why,
}

impl Watch {
    /// Starts watching at `now`: `WarmingUp` until heard, or until the grace has passed.
    pub fn new(now: Mono, timing: &Timing) -> Self {
        Self {
            state: Availability::WarmingUp,
            why: Why::NotHeardSinceStart,
            last_heard: now,
            heard_since: now,
            grace_until: now + timing.warm_up,
            since: now,
        }
    }

    /// The state.
    pub const fn state(&self) -> Availability {
        self.state
    }

    /// Why it is in this state.
    pub const fn why(&self) -> Why {
        self.why
    }

    /// When the state was entered.
    pub const fn since(&self) -> Mono {
        self.since
    }

    /// When the node was last heard, or when watching began.
    pub const fn last_heard(&self) -> Mono {
        self.last_heard
    }

    /// Whether a verdict about silence may follow soon: what it would need must be there by then.
    pub fn is_doubtful(&self, now: Mono, timing: &Timing) -> bool {
        match self.state {
            _ if self.why == Why::Banned => false,
            Availability::Online | Availability::Suspect => {
                now.saturating_sub(self.last_heard) >= timing.beat * 3 / 2
            }
            Availability::WarmingUp => now + timing.suspect_after >= self.grace_until,
            Availability::Unreachable | Availability::Fenced => false,
        }
    }

    /// Applies one input at `now` and says whether the state changed.
    pub fn apply(&mut self, input: Input, now: Mono, timing: &Timing) -> Option<Transition> {
        let (to, why) = self.next(input, now, timing);
        if input == Input::Heard {
            let gap = now.saturating_sub(self.last_heard) >= timing.suspect_after;
            if gap || self.why != Why::Stabilizing {
                self.heard_since = now;
            }
            self.last_heard = now;
        }
        if input == Input::Amnesty {
            self.last_heard = now;
            self.grace_until = now + timing.warm_up;
        }
        let from = self.state;
        self.why = why;
        if to == from {
            return None;
        }
        self.state = to;
        self.since = now;
        Some(Transition { from, to, why })
    }

    fn next(&self, input: Input, now: Mono, timing: &Timing) -> (Availability, Why) {
        use Availability as A;
        let stay = (self.state, self.why);
        match (input, self.state) {
            // Only a fence proof's end (a new boot id) leaves Fenced; nothing heard does.
            (_, A::Fenced) => stay,

            (Input::Amnesty, _) => (A::WarmingUp, Why::NotHeardSinceStart),
            (Input::Banned, _) => (A::Suspect, Why::Banned),
            (_, _) if self.why == Why::Banned => stay,

            (Input::Heard, A::Online | A::WarmingUp) => (A::Online, Why::Beating),
            (Input::Heard, A::Suspect) if matches!(self.why, Why::Restarting | Why::GoingDown) => {
                (A::Online, Why::Beating)
            }
            (Input::Heard, A::Suspect | A::Unreachable) => {
                let gap = now.saturating_sub(self.last_heard) >= timing.suspect_after;
                let steady = self.why == Why::Stabilizing
                    && !gap
                    && now.saturating_sub(self.heard_since) >= timing.stable_for;
                if steady {
                    (A::Online, Why::Beating)
                } else {
                    (A::Suspect, Why::Stabilizing)
                }
            }

            (Input::StreamClosed, A::Online | A::Suspect) => (A::Suspect, Why::StreamClosed),
            (Input::StreamClosed, A::WarmingUp | A::Unreachable) => stay,

            (Input::Goodbye, A::Online) => (A::Suspect, Why::Restarting),
            (Input::GoingDown, A::Online) => (A::Suspect, Why::GoingDown),
            (Input::Goodbye | Input::GoingDown, _) => stay,

            (Input::Tick, _) if now < self.grace_until && self.state == A::WarmingUp => stay,
            (Input::Tick, state) => {
                let silent = now.saturating_sub(self.last_heard);
                let (allowed, then) = match self.why {
                    Why::Restarting => (timing.restart_within, Why::Silent),
                    Why::GoingDown => (timing.unreachable_after, Why::GoingDown),
                    _ => (timing.unreachable_after, Why::Silent),
                };
                match state {
                    A::WarmingUp => (A::Unreachable, Why::NotHeardSinceStart),
                    A::Online if silent >= timing.unreachable_after => {
                        (A::Unreachable, Why::Silent)
                    }
                    A::Online if silent >= timing.suspect_after => (A::Suspect, Why::Silent),
                    A::Suspect if silent >= allowed => (A::Unreachable, then),
                    _ => stay,
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "availability_tests.rs"]
mod tests;
