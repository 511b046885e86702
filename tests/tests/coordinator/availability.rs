//! What the coordinator says about servers that are silent, gone, back, or not watched.

use std::time::Duration;

use h8lio_proto::v1::goodbye::Reason;
use h8lio_proto::v1::{Availability, Node};
use h8lio_tests::harness::{Beating, Fleet, Mode, Server, dial, is_alert, soon, until};
use jiff::SignedDuration;

const BEAT: Duration = Duration::from_millis(200);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A server that is online, and its session.
async fn online(fleet: &Fleet, name: &str) -> (Server, Beating) {
    let server = fleet.enrolled(name).await;
    let session = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees_availability(name, Availability::Online)
        .await;
    (server, session)
}

fn unsynchronized(node: &Node) -> bool {
    node.conditions
        .iter()
        .any(|c| c.r#type == "ClockUnsynchronized")
}

/// Beats of a node arrive at the coordinator: its last sign of life moves on.
async fn still_heard(fleet: &Fleet, name: &str) {
    let before = fleet.admin.node(name).await.last_seen.expect("heard");
    fleet
        .admin
        .sees(name, "heard again", |n| {
            n.last_seen
                .is_some_and(|t| (t.seconds, t.nanos) > (before.seconds, before.nanos))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_suspect_then_unreachable_and_nothing_is_proven() {
    let fleet = Fleet::start().await;
    let (_server, session) = online(&fleet, "s1").await;
    session.pause();
    let suspect = fleet.admin.sees_event("s1", "NodeSuspect").await;
    assert!(
        suspect.message.contains("beats are late"),
        "{}",
        suspect.message
    );
    let node = fleet
        .admin
        .sees_availability("s1", Availability::Unreachable)
        .await;
    assert!(
        node.availability_reason.starts_with("no beat for "),
        "{}",
        node.availability_reason
    );
    let event = fleet.admin.sees_event("s1", "NodeUnreachable").await;
    assert!(event.message.contains("without proof"), "{}", event.message);
    session.go_on();
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_closes_is_noticed_at_once_and_not_after_a_silence() {
    let fleet = Fleet::builder()
        // So long that only the closed stream can tell.
        .with(|s| {
            s.session.suspect_after = Some(Duration::from_secs(600));
            s.session.unreachable_after = Some(Duration::from_secs(1_200));
            s.session.warm_up = Some(Duration::from_secs(1_200));
        })
        .start()
        .await;
    let (_server, session) = online(&fleet, "s1").await;
    drop(session);
    let node = fleet
        .admin
        .sees_availability("s1", Availability::Suspect)
        .await;
    assert!(
        node.availability_reason.contains("stream closed"),
        "{}",
        node.availability_reason
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_says_goodbye_restarts_and_is_online_as_soon_as_it_is_back() {
    let fleet = Fleet::builder()
        .with(|s| s.session.stable_for = Some(Duration::from_secs(600)))
        .start()
        .await;
    let server = fleet.enrolled("s1").await;
    let mut session = server.session().await.expect("a session");
    session.beat().await;
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    session.goodbye(Reason::Restart).await;
    let event = fleet.admin.sees_event("s1", "NodeSuspect").await;
    assert!(event.message.contains("it restarts"), "{}", event.message);
    let _back = server.session().await.expect("a session").beating(BEAT);
    // Ten minutes would have to pass after a session that was lost.
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_that_it_goes_down_is_unreachable_without_an_alert() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let mut session = server.session().await.expect("a session");
    session.beat().await;
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    session.goodbye(Reason::Shutdown).await;
    let node = fleet
        .admin
        .sees_availability("s1", Availability::Unreachable)
        .await;
    let why = &node.availability_reason;
    assert!(why.contains("the server goes down"), "{why}");
    let event = fleet.admin.sees_event("s1", "NodeUnreachable").await;
    assert!(!is_alert(&event), "{event:?}");
    assert!(
        event.message.contains("as its agent announced"),
        "{event:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_and_goes_stays_suspect_until_it_stays() {
    let fleet = Fleet::start().await;
    let (server, session) = online(&fleet, "s1").await;
    drop(session);
    fleet
        .admin
        .sees_availability("s1", Availability::Suspect)
        .await;
    let online_before = fleet.admin.events_of("s1", "NodeOnline").await.len();
    for _ in 0..4 {
        let session = server.session().await.expect("a session").beating(BEAT);
        let back = |n: &Node| n.availability_reason.contains("has to stay");
        let node = fleet.admin.sees("s1", "back", back).await;
        assert_eq!(node.availability(), Availability::Suspect);
        drop(session);
        let gone = |n: &Node| n.availability_reason.contains("stream closed");
        fleet.admin.sees("s1", "gone", gone).await;
    }
    assert_eq!(
        fleet.admin.events_of("s1", "NodeOnline").await.len(),
        online_before
    );
    let _stays = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_moves_the_session_without_a_flap() {
    let fleet = Fleet::start().await;
    let (mut server, mut old) = online(&fleet, "s1").await;
    let before = server.identity().rotation();
    assert!(server.renew().await.expect("issued").rotation() > before);
    // Make before break: the new session stands before the old one ends.
    let new = server.session().await.expect("a session").beating(BEAT);
    old.end().await;
    still_heard(&fleet, "s1").await;
    assert!(new.is_open());
    assert_eq!(
        fleet.admin.node("s1").await.availability(),
        Availability::Online
    );
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
    let expires = fleet
        .admin
        .node("s1")
        .await
        .certificate_expires_at
        .expect("a certificate");
    assert_eq!(
        expires.seconds,
        server.identity().validity().not_after.as_second()
    );
}

/// scenario: 31 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_servers_clock_that_is_a_day_wrong_is_a_condition_and_never_a_verdict() {
    let fleet = Fleet::start().await;
    for (name, error, way) in [("s1", DAY, "ahead of"), ("s2", -DAY, "behind")] {
        let mut server = fleet.enrolled(name).await;
        server.clock_error = error;
        let session = server.session().await.expect("a session").beating(BEAT);
        let node = fleet
            .admin
            .sees(name, "unsynchronized", unsynchronized)
            .await;
        let condition = node
            .conditions
            .iter()
            .find(|c| c.r#type == "ClockUnsynchronized");
        let message = &condition.expect("there").message;
        assert!(
            message.contains(way) && message.contains("chronyc"),
            "{message}"
        );
        assert!(
            message.contains("86400.") || message.contains("86399."),
            "{message}"
        );
        still_heard(&fleet, name).await;
        assert_eq!(
            fleet.admin.node(name).await.availability(),
            Availability::Online
        );
        assert!(session.is_open());
        assert_eq!(fleet.admin.events_of(name, "NodeSuspect").await, []);
    }
}

/// scenario: 31 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinators_wall_clock_jumps_a_day_either_way_and_no_server_is_doubted() {
    let fleet = Fleet::start().await;
    let (_server, session) = online(&fleet, "s1").await;
    let services = &fleet.running().services;
    let id = services.registry.find("s1").expect("known").id;
    // Asked inside: an operator who dials anew looks at certificates, and at the clock with them.
    let beats = || {
        let open = services.table.get(id)?;
        Some(open.beats.load(std::sync::atomic::Ordering::Relaxed))
    };
    for jump in [DAY, -DAY, -DAY, DAY] {
        fleet.clock.jump_wall(jump);
        let before = beats().expect("an open session");
        until("two beats after the jump", || async {
            beats().filter(|now| *now >= before + 2)
        })
        .await;
        assert!(session.is_open());
    }
    let node = fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    assert_eq!(node.restriction, None);
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
    assert_eq!(fleet.admin.events_of("s1", "NodeUnreachable").await, []);
}

/// scenario: 31 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_jump_of_the_coordinators_clock_servers_can_dial_again() {
    let fleet = Fleet::builder()
        // Its own certificate is renewed during the jump, those of nodes do not end.
        .with(|s| s.certificates.coordinator = Duration::from_secs(86_400))
        .with(|s| s.certificates.node = Duration::from_secs(10 * 86_400))
        .start()
        .await;
    let (server, first) = online(&fleet, "s1").await;
    drop(first);
    // Ahead, and set right: the certificate that the coordinator made meanwhile has not begun.
    for (jump, what) in [(DAY, "a way in, ahead"), (-DAY, "a way in, set right")] {
        fleet.clock.jump_wall(jump);
        until(what, || async {
            dial(&fleet.dial, Some(server.identity())).await.ok()
        })
        .await;
        let session = server.session().await.expect("a session").beating(BEAT);
        still_heard(&fleet, "s1").await;
        drop(session);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_coordinator_warms_up_and_gives_nobody_up() {
    let mut fleet = Fleet::builder()
        .with(|s| s.session.warm_up = Some(Duration::from_secs(600)))
        .start()
        .await;
    let (mut server, session) = online(&fleet, "s1").await;
    let (_gone, _) = online(&fleet, "s2").await;
    fleet.restart().await;
    drop(session);
    for name in ["s1", "s2"] {
        let node = fleet.admin.node(name).await;
        assert_eq!(node.availability(), Availability::WarmingUp, "{node:?}");
        assert!(
            node.availability_reason.contains("no verdict yet"),
            "{node:?}"
        );
    }
    server.follow(&fleet);
    let _session = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    // Much longer than `unreachable_after`, and still no word about the one that is not back.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        fleet.admin.node("s2").await.availability(),
        Availability::WarmingUp
    );
    assert_eq!(fleet.admin.events_of("s2", "NodeUnreachable").await, []);
}

/// scenario: 8 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_was_paused_for_a_minute_gives_a_fresh_grace() {
    let fleet = Fleet::builder()
        .with(|s| s.session.warm_up = Some(Duration::from_secs(600)))
        .start()
        .await;
    let (_server, _session) = online(&fleet, "s1").await;
    let (_silent, quiet) = online(&fleet, "s2").await;
    quiet.pause();
    fleet.clock.skip(Duration::from_secs(60));
    fleet
        .admin
        .sees_availability("s2", Availability::WarmingUp)
        .await;
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    assert_eq!(fleet.admin.events_of("s2", "NodeUnreachable").await, []);
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
}

/// scenario: 9 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_stalls_beats_go_on_and_no_verdict_is_given() {
    let fleet = Fleet::start().await;
    let (_server, session) = online(&fleet, "s1").await;
    let (_silent, quiet) = online(&fleet, "s2").await;
    fleet.store.set(Mode::Stalls);
    // A write is under way and does not come back.
    let admin = fleet.admin.clone();
    let write = tokio::spawn(async move { admin.label("s1", "rack", "r1").await });
    let stalled = fleet.settings().session.timing().suspect_after;
    until("the stall is noticed", || async {
        let clock: &dyn h8lio_coordinator::clock::Clock = fleet.clock.as_ref();
        let services = &fleet.running().services;
        (services.health.stalled_for(clock.mono()) >= stalled).then_some(())
    })
    .await;
    quiet.pause();
    // Longer than it takes to become unreachable.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        fleet.admin.node("s2").await.availability(),
        Availability::Online
    );
    still_heard(&fleet, "s1").await;
    assert!(session.is_open());
    fleet.store.set(Mode::Works);
    soon("the write", write)
        .await
        .expect("ran")
        .expect("written");
    // A full grace, then the truth.
    fleet
        .admin
        .sees_availability("s2", Availability::WarmingUp)
        .await;
    fleet
        .admin
        .sees_availability("s2", Availability::Unreachable)
        .await;
    assert_eq!(fleet.admin.events_of("s2", "NodeSuspect").await, []);
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
}

/// scenario: 9 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_the_store_that_nobody_meets_is_noticed_before_a_verdict() {
    let fleet = Fleet::start().await;
    let (_server, session) = online(&fleet, "s1").await;
    let timing = fleet.settings().session.timing();
    fleet.store.set(Mode::Stalls);
    session.pause();
    // Longer than it takes to become unreachable.
    tokio::time::sleep(timing.unreachable_after * 2).await;
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.availability(), Availability::Online, "{node:?}");
    let status = fleet.admin.status().await.expect("a status");
    assert!(status.store.contains("has waited"), "{}", status.store);
    fleet.store.set(Mode::Works);
    fleet
        .admin
        .sees_availability("s1", Availability::WarmingUp)
        .await;
    fleet
        .admin
        .sees_availability("s1", Availability::Unreachable)
        .await;
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
}

/// scenario: 9 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_opens_while_the_store_stalls() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    fleet.store.set(Mode::Stalls);
    let _session = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees("s1", "heard", |n| n.last_seen.is_some())
        .await;
    still_heard(&fleet, "s1").await;
    let clock: &dyn h8lio_coordinator::clock::Clock = fleet.clock.as_ref();
    let health = &fleet.running().services.health;
    // The session gave up waiting for its write; the stall did not end with that.
    assert!(health.stalled_for(clock.mono()) > Duration::from_secs(4));
    fleet.store.set(Mode::Works);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    until("the store counts as well again", || async {
        health.failure().is_none().then_some(())
    })
    .await;
}
