//! The observer: one task that owns every node's [`Watch`] and gives all verdicts.
//!
//! Beats only move an atomic in the node; a tick first applies all of them and only then decides,
//! so that a busy coordinator never takes its own slowness for a server's silence. A closed
//! stream wakes the observer at once. When the coordinator itself was not watching (it just
//! started, was paused, or its store stalled) every node gets a full grace.

mod wave;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::availability::{Input, Timing, Transition, Watch, Why};
use h8lio_model::event::Severity;
use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::{Admission, Availability};
use tokio::sync::mpsc;

use self::wave::Wave;
use crate::clock::Clock;
use crate::feed::Feed;
use crate::registry::{Node, Registry, Verdict};
use crate::store::health::StoreHealth;

/// What wakes the observer between ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A session opened.
    Opened(NodeId),
    /// A session ended without goodbye.
    Closed(NodeId),
    /// A session ended with goodbye: the agent returns.
    Goodbye(NodeId),
    /// A session ended because the server goes down.
    GoingDown(NodeId),
}

/// The handle of the sessions.
#[derive(Debug, Clone)]
pub struct Notifier(mpsc::UnboundedSender<Notice>);

impl Notifier {
    /// Tells the observer. The queue is bounded by the number of sessions: each sends at most
    /// three notices in its life, and each costs the observer a hash lookup.
    pub fn tell(&self, notice: Notice) {
        let _ = self.0.send(notice);
    }
}

/// How often verdicts are given. A quarter of the shortest silence that means anything.
pub fn tick_interval(timing: &Timing) -> Duration {
    (timing.beat / 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
}

/// The observer.
#[derive(Debug)]
pub struct Observer {
    registry: Arc<Registry>,
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    health: Arc<StoreHealth>,
    timing: Timing,
    watches: HashMap<NodeId, Watch>,
    notices: mpsc::UnboundedReceiver<Notice>,
    last_tick: Duration,
    /// Nodes that return after the coordinator's start, pause or stall.
    wave: Wave,
    /// The store stalled; verdicts wait until it answers.
    frozen: bool,
}

impl Observer {
    /// An observer and the handle that wakes it.
    pub fn new(
        registry: Arc<Registry>,
        feed: Arc<Feed>,
        clock: Arc<dyn Clock>,
        health: Arc<StoreHealth>,
        timing: Timing,
    ) -> (Self, Notifier) {
        let (send, notices) = mpsc::unbounded_channel();
        let last_tick = clock.mono();
        let observer = Self {
            registry,
            feed,
            clock,
            health,
            timing,
            watches: HashMap::new(),
            notices,
            last_tick,
            wave: Wave::begin(last_tick),
            frozen: false,
        };
        (observer, Notifier(send))
    }

    /// Watches until every [`Notifier`] is gone.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(tick_interval(&self.timing));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe: both arms only receive.
            tokio::select! {
                _ = tick.tick() => self.tick(),
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.notice(notice),
                    None => return,
                },
            }
        }
    }

    /// Applies one notice at once.
    pub fn notice(&mut self, notice: Notice) {
        let (id, input) = match notice {
            Notice::Opened(id) => (id, Input::Heard),
            Notice::Closed(id) => (id, Input::StreamClosed),
            Notice::Goodbye(id) => (id, Input::Goodbye),
            Notice::GoingDown(id) => (id, Input::GoingDown),
        };
        let Some(node) = self.registry.by_id(id) else {
            return;
        };
        let now = self.clock.mono();
        if !self.is_watched(&node, now) {
            return;
        }
        if input != Input::Heard {
            // What was heard before the end counts first.
            self.apply_beats(&node, now);
        }
        self.apply(&node, input, now);
    }

    /// One round: first all beats, then time.
    pub fn tick(&mut self) {
        let now = self.clock.mono();
        let late = now.saturating_sub(self.last_tick);
        self.last_tick = now;
        let mut nodes = self.registry.all();
        nodes.retain(|node| self.is_watched(node, now));
        for node in &nodes {
            self.apply_beats(node, now);
        }
        if let Some(why) = self.blind(late, now) {
            tracing::warn!(
                why,
                "every node gets a fresh grace of {:?}",
                self.timing.warm_up
            );
            self.wave = Wave::begin(now);
            for node in &nodes {
                self.apply(node, Input::Amnesty, now);
            }
            return;
        }
        if self.frozen {
            return;
        }
        let returning = self.wave.goes_on(now, &self.timing);
        let proved = self.store_writes(&nodes, now);
        for node in &nodes {
            if (returning && self.not_heard_yet(node)) || (!proved && self.is_doubtful(node, now)) {
                continue;
            }
            self.apply(node, Input::Tick, now);
        }
    }

    /// Whether the store has shown lately that it writes; asks for that early enough when a verdict
    /// may follow. A stall that no other write meets is noticed by this one.
    fn store_writes(&self, nodes: &[Arc<Node>], now: Duration) -> bool {
        let lately = self.timing.suspect_after;
        if !self.health.answered_within(lately / 2, now)
            && nodes.iter().any(|node| self.is_doubtful(node, now))
        {
            self.health.doubt();
        }
        self.health.answered_within(lately, now)
    }

    fn is_doubtful(&self, node: &Node, now: Duration) -> bool {
        let watch = self.watches.get(&node.id);
        watch.is_some_and(|w| w.is_doubtful(now, &self.timing))
    }

    /// Whether anything is to be learnt from what is heard of a node. One that was not admitted, or
    /// is banned, is not listened to: its silence is our doing. Once it may speak it begins with a
    /// full grace.
    fn is_watched(&mut self, node: &Node, now: Duration) -> bool {
        let record = node.record();
        if record.value.admission != Admission::Enrolled {
            self.watches.remove(&node.id);
            return false;
        }
        let was_banned = self
            .watches
            .get(&node.id)
            .is_some_and(|w| w.why() == Why::Banned);
        match (record.value.banned.is_some(), was_banned) {
            (true, false) => self.apply(node, Input::Banned, now),
            (false, true) => self.apply(node, Input::Amnesty, now),
            (true, true) | (false, false) => {}
        }
        record.value.banned.is_none()
    }

    fn not_heard_yet(&self, node: &Node) -> bool {
        let watch = self.watches.get(&node.id);
        watch.is_some_and(|w| w.state() == Availability::WarmingUp)
    }

    /// Why the coordinator could not watch until just now, if so. While the store stalls no
    /// verdict is given; when it answers again, that is the end of the blindness.
    fn blind(&mut self, late: Duration, now: Duration) -> Option<&'static str> {
        let stalled = self.health.stalled_for(now) >= self.timing.suspect_after;
        let was_frozen = std::mem::replace(&mut self.frozen, stalled);
        if was_frozen && !stalled {
            return Some("the store stalled");
        }
        let paused = late >= tick_interval(&self.timing) + self.timing.suspect_after / 2;
        paused.then_some("the coordinator was paused")
    }

    fn apply_beats(&mut self, node: &Node, now: Duration) {
        let Some(heard) = node.live.last_heard() else {
            return;
        };
        let known = self.watches.get(&node.id).map(Watch::last_heard);
        // Millisecond steps: an equal time is the same beat.
        if known.is_none_or(|k| heard.as_millis() > k.as_millis()) {
            self.apply(node, Input::Heard, heard.min(now));
        }
    }

    fn apply(&mut self, node: &Node, input: Input, now: Duration) {
        let timing = self.timing;
        let watch = self
            .watches
            .entry(node.id)
            .or_insert_with(|| Watch::new(now, &timing));
        let transition = watch.apply(input, now, &timing);
        if transition.is_some_and(|t| t.from == Availability::WarmingUp && input == Input::Heard) {
            self.wave.returned(now);
        }
        let before = node.verdict();
        if transition.is_none() && before.why == watch.why() {
            return;
        }
        let at = self.clock.now();
        node.set_verdict(Verdict {
            availability: watch.state(),
            why: watch.why(),
            since: if transition.is_some() {
                at
            } else {
                before.since
            },
        });
        if let Some(t) = transition
            && let Some((severity, reason, message)) = describe(node, t)
        {
            self.feed.node(
                severity,
                reason,
                node.id,
                &node.record().value.name,
                message,
            );
        }
    }
}

/// The event of a transition. Warming up after the coordinator's own blindness is no news about
/// the node, and neither is being heard first thereafter.
fn describe(node: &Node, t: Transition) -> Option<(Severity, &'static str, String)> {
    let name = node.record().value.name.clone();
    Some(match t.to {
        Availability::Online if t.from == Availability::WarmingUp => return None,
        Availability::Online => (
            Severity::Info,
            "NodeOnline",
            format!("node {name} is online"),
        ),
        // The ban itself is the news.
        Availability::Suspect if t.why == Why::Banned => return None,
        Availability::Suspect => {
            let cause = match t.why {
                Why::StreamClosed => "its stream closed",
                Why::Restarting => "its agent said that it restarts",
                Why::GoingDown => "its agent said that the server goes down",
                Why::Stabilizing => "it is heard again and has to stay for a while",
                _ => "its beats are late",
            };
            (
                Severity::Warning,
                "NodeSuspect",
                format!("node {name} is suspect: {cause}"),
            )
        }
        Availability::Unreachable if t.why == Why::GoingDown => (
            Severity::Warning,
            "NodeUnreachable",
            format!(
                "node {name} is unreachable, as its agent announced: the server went down (nothing is moved or fenced without proof)"
            ),
        ),
        Availability::Unreachable => (
            Severity::Alert,
            "NodeUnreachable",
            format!(
                "node {name} is unreachable: nothing heard from it; look at its power and network (nothing is moved or fenced without proof)"
            ),
        ),
        Availability::WarmingUp | Availability::Fenced => return None,
    })
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod round_tests;
