//! The observer by hand: each round and each notice when the test says so.

use h8lio_model::lifecycle::{Ban, Scheduling};
use h8lio_model::section::Digest;
use h8lio_model::token::Claims;
use jiff::Timestamp;

use super::*;
use crate::clock::ManualClock;
use crate::registry::records::NodeRecord;
use crate::store::health::Outcome;
use crate::store::memory::MemoryStore;
use crate::store::{Store, Txn};

const BEAT: Duration = Duration::from_secs(1);

/// A coordinator with one node, watched.
struct Watched {
    clock: Arc<ManualClock>,
    health: Arc<StoreHealth>,
    timing: Timing,
    registry: Arc<Registry>,
    node: Arc<Node>,
    observer: Observer,
    /// The write that is asked for does not come back.
    store_stalls: bool,
    stalled: Vec<u64>,
    _notifier: Notifier,
}

fn record(id: u128, name: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId::new(uuid::Uuid::from_u128(id)),
        name: name.parse().expect("a name"),
        admission: Admission::Enrolled,
        scheduling: Scheduling::Active,
        banned: None,
        quarantined: None,
        roles: Vec::new(),
        topology: None,
        labels: Default::default(),
        created_at: Timestamp::UNIX_EPOCH,
        token: "t1".parse().expect("an id"),
        enrolled_key: Digest::of(b"key"),
        claims: Claims::default(),
        pending_reason: String::new(),
        current: None,
        pending: None,
        recovery_until: None,
    }
}

async fn watched() -> Watched {
    let clock = Arc::new(ManualClock::default());
    let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(as_clock()));
    let record = record(1, "s1");
    let (compares, ops) = Registry::create_ops(&record);
    store
        .txn(Txn::when(compares).then(ops))
        .await
        .expect("written");
    let registry = Registry::load(store, clock.now()).await.expect("loaded");
    let registry = Arc::new(registry);
    let node = registry.by_id(record.id).expect("there");
    let feed = Feed::new(as_clock());
    let health = Arc::new(StoreHealth::default());
    let timing = Timing::for_beat(BEAT);
    let (observer, notifier) = Observer::new(
        Arc::clone(&registry),
        feed,
        as_clock(),
        Arc::clone(&health),
        timing,
    );
    Watched {
        registry,
        clock,
        health,
        timing,
        node,
        observer,
        store_stalls: false,
        stalled: Vec::new(),
        _notifier: notifier,
    }
}

impl Watched {
    /// Watches for this long, round by round; the node beats or not.
    fn watch(&mut self, time: Duration, beats: bool) {
        let step = tick_interval(&self.timing);
        for n in 0..time.as_millis() / step.as_millis() {
            self.clock.advance(step);
            if beats && n % 4 == 3 {
                self.node.live.heard(self.clock.mono());
            }
            self.observer.tick();
            self.probe();
        }
    }

    /// Writes when the observer asks for it, as the coordinator does.
    fn probe(&mut self) {
        if !self.health.take_doubt() {
            return;
        }
        let now = self.clock.mono();
        let write = self.health.begin(now);
        if self.store_stalls {
            self.stalled.push(write);
        } else {
            self.health.end(write, now, Outcome::Answered);
        }
    }

    async fn online() -> Self {
        let mut w = watched().await;
        w.node.live.heard(w.clock.mono());
        w.observer.notice(Notice::Opened(w.node.id));
        w.watch(BEAT * 5, true);
        assert_eq!(w.is(), Availability::Online);
        w
    }

    fn is(&self) -> Availability {
        self.node.verdict().availability
    }

    fn why(&self) -> Why {
        self.node.verdict().why
    }
}

#[tokio::test]
async fn silence_is_suspect_first_and_unreachable_later() {
    let mut w = Watched::online().await;
    w.watch(w.timing.suspect_after + BEAT / 2, false);
    assert_eq!((w.is(), w.why()), (Availability::Suspect, Why::Silent));
    w.watch(w.timing.unreachable_after, false);
    assert_eq!((w.is(), w.why()), (Availability::Unreachable, Why::Silent));
}

#[tokio::test]
async fn a_closed_stream_needs_no_round_and_goodbye_is_no_alarm() {
    let mut w = Watched::online().await;
    w.observer.notice(Notice::Closed(w.node.id));
    assert_eq!(
        (w.is(), w.why()),
        (Availability::Suspect, Why::StreamClosed)
    );
    let mut w = Watched::online().await;
    w.observer.notice(Notice::Goodbye(w.node.id));
    assert_eq!((w.is(), w.why()), (Availability::Suspect, Why::Restarting));
    w.watch(w.timing.unreachable_after + BEAT, false);
    assert_eq!(w.is(), Availability::Suspect, "a restart takes its time");
    w.observer.notice(Notice::Opened(w.node.id));
    assert_eq!(w.is(), Availability::Online);
    // Who does not come back is missed much sooner than after a start of the coordinator.
    w.observer.notice(Notice::Goodbye(w.node.id));
    w.watch(w.timing.restart_within + BEAT, false);
    assert!(w.timing.restart_within + BEAT < w.timing.warm_up);
    assert_eq!((w.is(), w.why()), (Availability::Unreachable, Why::Silent));
}

impl Watched {
    async fn ban(&self, ban: Option<Ban>) {
        let change = |r: &mut NodeRecord| {
            r.banned.clone_from(&ban);
            true
        };
        let now = self.clock.now();
        let changed = self.registry.update(self.node.id, now, change).await;
        changed.expect("changed");
    }
}

/// scenario: 38 (unit)
#[tokio::test]
async fn a_banned_node_is_not_failed_whatever_is_heard_of_it_and_has_a_grace_afterwards() {
    let mut w = Watched::online().await;
    w.ban(Some(Ban {
        reason: "it misbehaves".to_owned(),
        by: "admin".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }))
    .await;
    let banned = (Availability::Suspect, Why::Banned);
    w.observer.notice(Notice::Closed(w.node.id));
    assert_eq!((w.is(), w.why()), banned);
    w.watch(w.timing.unreachable_after * 10, false);
    assert_eq!((w.is(), w.why()), banned);
    // A beat that was under way, and a pause of the coordinator.
    w.node.live.heard(w.clock.mono());
    w.clock.advance(Duration::from_secs(60));
    w.observer.tick();
    assert_eq!((w.is(), w.why()), banned);
    w.ban(None).await;
    w.watch(BEAT, false);
    assert_eq!(w.is(), Availability::WarmingUp);
    w.watch(w.timing.warm_up - BEAT * 2, false);
    assert_eq!(w.is(), Availability::WarmingUp, "the whole grace");
    w.watch(BEAT * 2, false);
    assert_eq!(w.is(), Availability::Unreachable);
}

#[tokio::test]
async fn a_server_that_goes_down_is_unreachable_no_later_than_another() {
    let mut w = Watched::online().await;
    w.observer.notice(Notice::GoingDown(w.node.id));
    assert_eq!((w.is(), w.why()), (Availability::Suspect, Why::GoingDown));
    w.watch(w.timing.unreachable_after + BEAT / 2, false);
    let gone = (Availability::Unreachable, Why::GoingDown);
    assert_eq!((w.is(), w.why()), gone);
}

#[tokio::test]
async fn a_beat_heard_before_the_stream_closed_does_not_undo_the_end() {
    let mut w = Watched::online().await;
    w.clock.advance(Duration::from_millis(100));
    w.node.live.heard(w.clock.mono());
    w.observer.notice(Notice::Closed(w.node.id));
    w.watch(BEAT / 4, false);
    assert_eq!(
        (w.is(), w.why()),
        (Availability::Suspect, Why::StreamClosed)
    );
}

#[tokio::test]
async fn who_comes_and_goes_is_online_only_after_staying() {
    let mut w = Watched::online().await;
    for _ in 0..10 {
        w.observer.notice(Notice::Closed(w.node.id));
        w.watch(BEAT, false);
        w.node.live.heard(w.clock.mono());
        w.observer.notice(Notice::Opened(w.node.id));
        assert_eq!((w.is(), w.why()), (Availability::Suspect, Why::Stabilizing));
        w.watch(w.timing.stable_for - BEAT * 2, true);
        assert_eq!(w.is(), Availability::Suspect);
    }
    w.watch(w.timing.stable_for + BEAT, true);
    assert_eq!(w.is(), Availability::Online);
}

/// scenario: 8 (unit)
#[tokio::test]
async fn after_a_pause_of_the_coordinator_nobody_is_blamed_for_it() {
    let mut w = Watched::online().await;
    w.clock.advance(Duration::from_secs(60));
    w.observer.tick();
    assert_eq!(w.is(), Availability::WarmingUp);
    // The grace is whole: all of it passes before a verdict.
    w.watch(w.timing.warm_up - BEAT, false);
    assert_eq!(w.is(), Availability::WarmingUp);
    w.watch(BEAT * 2, false);
    assert_eq!(w.is(), Availability::Unreachable);
    let mut w = Watched::online().await;
    w.clock.advance(Duration::from_secs(60));
    // Beats that waited meanwhile count first, and a server that beats is online again.
    w.node.live.heard(w.clock.mono());
    w.observer.tick();
    w.watch(BEAT, true);
    assert_eq!(w.is(), Availability::Online);
}

/// scenario: 9 (unit)
#[tokio::test]
async fn while_the_store_stalls_there_is_no_verdict_and_afterwards_a_grace() {
    let mut w = Watched::online().await;
    let write = w.health.begin(w.clock.mono());
    w.watch(w.timing.suspect_after, true);
    w.watch(Duration::from_secs(40), false);
    assert_eq!(w.is(), Availability::Online, "the last verdict stands");
    w.health.end(write, w.clock.mono(), Outcome::Answered);
    w.watch(BEAT, false);
    assert_eq!(w.is(), Availability::WarmingUp);
    w.watch(w.timing.warm_up + BEAT, false);
    assert_eq!(w.is(), Availability::Unreachable);
}

/// scenario: 9 (unit)
#[tokio::test]
async fn a_stall_that_no_other_write_meets_is_noticed_before_a_verdict() {
    let mut w = Watched::online().await;
    w.store_stalls = true;
    w.watch(BEAT * 20, true);
    assert_eq!(w.stalled.len(), 0, "nobody asks while all is quiet");
    w.watch(Duration::from_secs(40), false);
    assert_eq!(w.is(), Availability::Online, "the last verdict stands");
    w.store_stalls = false;
    let now = w.clock.mono();
    assert!(!w.stalled.is_empty());
    for write in w.stalled.drain(..) {
        w.health.end(write, now, Outcome::Answered);
    }
    w.watch(BEAT, false);
    assert_eq!(w.is(), Availability::WarmingUp, "a grace for all");
    w.watch(w.timing.warm_up + BEAT, false);
    assert_eq!(w.is(), Availability::Unreachable);
}

#[tokio::test]
async fn proof_of_the_store_costs_a_verdict_no_time() {
    let mut w = Watched::online().await;
    w.watch(w.timing.suspect_after, false);
    assert_eq!(w.is(), Availability::Suspect);
    w.watch(w.timing.unreachable_after - w.timing.suspect_after, false);
    assert_eq!(w.is(), Availability::Unreachable);
}

/// scenario: 31 (unit)
#[tokio::test]
async fn a_jump_of_the_wall_clock_changes_no_verdict() {
    let mut w = Watched::online().await;
    for jump in ["2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"] {
        w.clock.jump_wall(jump.parse().expect("a time"));
        w.watch(BEAT * 3, true);
        assert_eq!(w.is(), Availability::Online);
    }
}

#[tokio::test]
async fn a_node_that_never_came_is_given_up_after_the_grace_and_no_sooner() {
    let mut w = watched().await;
    w.watch(w.timing.warm_up - BEAT, false);
    assert_eq!(w.is(), Availability::WarmingUp);
    w.watch(BEAT * 2, false);
    assert_eq!(
        (w.is(), w.why()),
        (Availability::Unreachable, Why::NotHeardSinceStart)
    );
}

#[tokio::test]
async fn who_stands_in_line_is_not_judged_while_others_return() {
    let mut w = watched().await;
    let end = w.clock.mono() + w.timing.warm_up * 2;
    while w.clock.mono() < end {
        w.watch(BEAT, false);
        // Another node of a large fleet is heard for the first time.
        w.observer.wave.returned(w.clock.mono());
        assert_eq!(w.is(), Availability::WarmingUp);
    }
    w.watch(w.timing.suspect_after + BEAT, false);
    assert_eq!(w.is(), Availability::Unreachable, "the wave is over");
}
