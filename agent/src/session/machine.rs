//! One session as a state machine: events in, actions out. No I/O, no clock, no randomness.

use std::collections::BTreeSet;
use std::time::Duration;

use h8lio_model::audit::AuditHead;
use h8lio_model::ids::Incarnation;
use h8lio_model::order::Epoch;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_model::session::WELCOME_WITHIN;
use jiff::Timestamp;

use super::outbox::{Outbox, Report, Sections, TooLarge};
use crate::clock::Moment;

/// Whatever a coordinator asks for, beats are not closer or further apart than this: a wrong
/// value must neither burn the server nor make it look dead.
const BEAT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

/// The same for reports.
const REPORT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(600));

/// Least report size obeyed, bytes: smaller could carry nothing.
const LEAST_REPORT_BYTES: usize = 4 << 10;

/// How often to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub beat: Duration,
    pub report: Duration,
    /// Bytes.
    pub max_report_bytes: usize,
}

impl Pace {
    fn clamped(self) -> Self {
        Self {
            beat: self.beat.clamp(BEAT.0, BEAT.1),
            report: self.report.clamp(REPORT.0, REPORT.1),
            max_report_bytes: self.max_report_bytes.max(LEAST_REPORT_BYTES),
        }
    }
}

/// The coordinator's answer to `Hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub coordinator: String,
    pub incarnation: Incarnation,
    pub epoch: u64,
    pub pace: Pace,
    pub wall_clock: Timestamp,
    pub wanted: BTreeSet<SectionKind>,
    pub audit_head: Option<AuditHead>,
    /// DER certificates.
    pub trust_bundle: Option<Vec<Vec<u8>>>,
    pub restricted: Option<String>,
}

/// What a coordinator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Welcome(Box<Welcome>),
    Pace(Pace),
    Receipt {
        received: Vec<(SectionKind, Digest)>,
        refused: Vec<(SectionKind, String)>,
    },
    /// DER certificates.
    TrustBundle(Vec<Vec<u8>>),
    AuditHead(AuditHead),
    RenewNow,
    /// `None`: lifted.
    Restricted(Option<String>),
    /// What is wanted of this node, JSON.
    Order(Vec<u8>),
}

/// Why the agent stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// Restarted or upgraded; returns at once.
    Restart,
    /// The server goes down.
    Shutdown,
    /// Goes on over a newer connection.
    Moved,
}

/// What happens to a session.
#[derive(Debug, Clone)]
pub enum Event {
    /// The stream is open.
    Opened,
    Received(Incoming),
    /// The collectors have something newer.
    Sections(Sections),
    /// [`Machine::next_wake`] has come.
    Timer,
    Leave(Goodbye),
}

/// What goes to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    Hello {
        sections: Vec<(SectionKind, Digest)>,
        audit_head: Option<AuditHead>,
    },
    Beat {
        seq: u64,
    },
    Report(Report),
    Goodbye(Goodbye),
}

/// What the plumbing is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Send(Outgoing),
    /// The session is open.
    Welcomed {
        coordinator: String,
    },
    /// The server's wall clock minus the coordinator's, milliseconds.
    ClockOffset(i64),
    /// The coordinator's term: its orders of earlier ones may be overtaken.
    Epoch(Epoch),
    /// The coordinator shows this head of its audit log; see [`super::witness`].
    Audit {
        incarnation: Incarnation,
        head: AuditHead,
    },
    /// Keep and use these roots, DER.
    AdoptBundle(Vec<Vec<u8>>),
    Renew,
    /// The identity may do nothing new, and why; `None`: it may again.
    Restrict(Option<String>),
    /// What is wanted of this node, JSON.
    Order(Vec<u8>),
    SectionRefused {
        kind: SectionKind,
        why: String,
    },
    SectionTooLarge(TooLarge),
    /// These can be reported; what said that they are too large no longer holds.
    SectionsFit(Vec<SectionKind>),
    /// Close the stream.
    End(End),
}

/// Why a session ends from this side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    #[error("the coordinator did not answer the greeting within {} s", WELCOME_WITHIN.as_secs())]
    NoWelcome,
    #[error("the coordinator spoke out of turn: {0}")]
    OutOfTurn(&'static str),
    #[error("the coordinator takes no messages")]
    Stuck,
    #[error("the agent left")]
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting {
        until: Duration,
    },
    Open {
        pace: Pace,
        incarnation: Incarnation,
        next_beat: Duration,
        seq: u64,
    },
    Closed,
}

/// One session.
#[derive(Debug, Clone)]
pub struct Machine {
    phase: Phase,
    outbox: Outbox,
    offered: Vec<(SectionKind, Digest)>,
    remembered: Option<AuditHead>,
}

impl Machine {
    /// A session that is about to be opened with what the agent has and remembers.
    pub fn new(sections: Sections, remembered: Option<AuditHead>) -> Self {
        let mut outbox = Outbox::default();
        outbox.set(sections);
        Self {
            phase: Phase::Greeting {
                until: Duration::MAX,
            },
            outbox,
            offered: Vec::new(),
            remembered,
        }
    }

    /// Whether the coordinator has welcomed the agent and nobody has left.
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// When [`Event::Timer`] is due, on the steady clock.
    pub fn next_wake(&self) -> Duration {
        match &self.phase {
            Phase::Greeting { until } => *until,
            Phase::Open { next_beat, .. } => (*next_beat).min(self.outbox.next_look()),
            Phase::Closed => Duration::MAX,
        }
    }

    /// One step.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        match (self.phase, event) {
            (Phase::Closed, _) => Vec::new(),
            (Phase::Greeting { .. }, Event::Opened) => self.greet(now),
            (Phase::Greeting { .. }, Event::Received(Incoming::Welcome(w))) => {
                self.welcome(now, *w)
            }
            (Phase::Greeting { .. }, Event::Received(_)) => {
                self.end(End::OutOfTurn("something before its welcome"))
            }
            (Phase::Greeting { until }, Event::Timer) if now.steady >= until => {
                self.end(End::NoWelcome)
            }
            (Phase::Open { .. }, Event::Received(message)) => self.receive(now, message),
            (Phase::Open { .. }, Event::Opened) => Vec::new(),
            (_, Event::Sections(sections)) => {
                self.outbox.set(sections);
                self.speak(now)
            }
            (_, Event::Timer) => self.speak(now),
            (_, Event::Leave(why)) => {
                let mut actions = vec![Action::Send(Outgoing::Goodbye(why))];
                actions.extend(self.end(End::Left));
                actions
            }
        }
    }

    fn greet(&mut self, now: Moment) -> Vec<Action> {
        self.phase = Phase::Greeting {
            until: now.steady + WELCOME_WITHIN,
        };
        self.offered = self.outbox.digests();
        vec![Action::Send(Outgoing::Hello {
            sections: self.offered.clone(),
            audit_head: self.remembered,
        })]
    }

    fn welcome(&mut self, now: Moment, w: Welcome) -> Vec<Action> {
        self.outbox.welcomed(now.steady, &self.offered, &w.wanted);
        self.phase = Phase::Open {
            pace: w.pace.clamped(),
            incarnation: w.incarnation,
            next_beat: now.steady,
            seq: 0,
        };
        let offset = now.wall.duration_since(w.wall_clock).as_millis();
        let mut actions = vec![
            // First: whoever sees the session open knows its clock and epoch.
            Action::ClockOffset(i64::try_from(offset).unwrap_or(i64::MAX)),
            Action::Epoch(Epoch(w.epoch)),
            Action::Welcomed {
                coordinator: w.coordinator,
            },
            Action::Restrict(w.restricted),
        ];
        actions.extend(w.trust_bundle.map(Action::AdoptBundle));
        let audit = |head| Action::Audit {
            incarnation: w.incarnation,
            head,
        };
        actions.extend(w.audit_head.map(audit));
        actions.extend(self.speak(now));
        actions
    }

    fn receive(&mut self, now: Moment, message: Incoming) -> Vec<Action> {
        let Phase::Open {
            pace, incarnation, ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        match message {
            Incoming::Welcome(_) => self.end(End::OutOfTurn("a second welcome")),
            Incoming::Pace(p) => {
                *pace = p.clamped();
                Vec::new()
            }
            Incoming::Receipt { received, refused } => {
                self.outbox.receipted(&received);
                let each = |(kind, why)| {
                    self.outbox.refused(now.steady, kind);
                    Action::SectionRefused { kind, why }
                };
                refused.into_iter().map(each).collect()
            }
            Incoming::TrustBundle(roots) => vec![Action::AdoptBundle(roots)],
            Incoming::AuditHead(head) => {
                vec![Action::Audit {
                    incarnation: *incarnation,
                    head,
                }]
            }
            Incoming::RenewNow => vec![Action::Renew],
            Incoming::Restricted(why) => {
                if why.is_none() {
                    self.outbox.lifted();
                }
                vec![Action::Restrict(why)]
            }
            Incoming::Order(body) => vec![Action::Order(body)],
        }
    }

    /// Whatever is due: a beat first, always, then a report.
    fn speak(&mut self, now: Moment) -> Vec<Action> {
        let Phase::Open {
            pace,
            next_beat,
            seq,
            ..
        } = &mut self.phase
        else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        if now.steady >= *next_beat {
            *seq += 1;
            actions.push(Action::Send(Outgoing::Beat { seq: *seq }));
            // Beats that were missed (a suspended server) are not made up for.
            *next_beat = (*next_beat + pace.beat).max(now.steady + pace.beat / 2);
        }
        let fit = self.outbox.newly_fitting(pace.max_report_bytes);
        if !fit.is_empty() {
            actions.push(Action::SectionsFit(fit));
        }
        let (report, too_large) = self
            .outbox
            .take(now.steady, pace.report, pace.max_report_bytes);
        actions.extend(report.map(|r| Action::Send(Outgoing::Report(r))));
        actions.extend(too_large.into_iter().map(Action::SectionTooLarge));
        actions
    }

    fn end(&mut self, why: End) -> Vec<Action> {
        self.phase = Phase::Closed;
        vec![Action::End(why)]
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
