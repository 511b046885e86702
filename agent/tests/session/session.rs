//! Greeting, beats, reports, and what a coordinator may say.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use h8lio_agent::clock::{Clock, Moment, SystemClock};
use h8lio_agent::session::machine::Goodbye;
use h8lio_model::condition::ConditionType;
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Request;
use h8lio_proto::v1::connect_response::Message as Response;
use jiff::SignedDuration;
use tonic::{Code, Status};

use super::coordinator::{Heard, Running, Script, beat, hello, report};
use super::rig::{FullDisk, Rig, sections, token};

async fn enrolled() -> (Running, Rig) {
    let coordinator = Running::start("test", Script::default()).await;
    let rig = Rig::new();
    rig.enroll(&coordinator).await.expect("enrolled");
    (coordinator, rig)
}

#[tokio::test]
async fn a_server_enrolls_opens_its_session_beats_and_reports() {
    let (coordinator, rig) = enrolled().await;
    let agent = rig.run();
    let (rotation, hello) = coordinator.hear("a greeting", hello).await;
    assert!(rotation > 0, "the node certificate was shown");
    assert_eq!(hello.agent_version, env!("CARGO_PKG_VERSION"));
    coordinator
        .hear("a third beat", |h| beat(h).filter(|n| *n == 3))
        .await;
    let first = coordinator.hear("a report", report).await;
    assert_eq!(first.sections[0].body.as_ref(), br#""debian""#);
    agent.sections.send_replace(sections("debian 13"));
    coordinator
        .hear("the change", |h| {
            report(h).filter(|r| {
                r.sections
                    .iter()
                    .any(|s| s.body.as_ref() == br#""debian 13""#)
            })
        })
        .await;
    let stopped = agent.stop(Goodbye::Restart);
    tokio::time::timeout(Duration::from_secs(2), stopped)
        .await
        .expect("leaves in time");
    coordinator
        .hear("a goodbye", |h| match h {
            Heard::Stream { message, .. } => match &message.message {
                Some(Request::Goodbye(g)) => (g.reason == 1).then_some(()),
                _ => None,
            },
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn a_session_that_is_cut_comes_back_and_offers_what_it_has() {
    let (coordinator, rig) = enrolled().await;
    let _agent = rig.run();
    coordinator.hear("a report", report).await;
    coordinator.cut(Status::unavailable("restarting")).await;
    coordinator
        .hear("a second stream", |h| {
            matches!(h, Heard::Stream { session: 2, .. }).then_some(())
        })
        .await;
    let greetings = coordinator.heard().iter().filter_map(hello).count();
    assert_eq!(greetings, 2);
}

#[tokio::test]
async fn the_next_coordinator_is_dialled_when_the_first_is_gone() {
    let (coordinator, rig) = enrolled().await;
    // Nothing listens there.
    let _agent = rig.run_with(vec!["127.0.0.1:1".into()]);
    coordinator.hear("a beat", beat).await;
}

#[tokio::test]
async fn beats_and_reports_go_on_while_the_state_directory_is_full() {
    let (coordinator, mut rig) = enrolled().await;
    let disk = Arc::new(FullDisk::over(&rig));
    rig.disk = disk.clone();
    disk.fill(true);
    let agent = rig.run();
    coordinator
        .hear("a third beat", |h| beat(h).filter(|n| *n == 3))
        .await;
    coordinator.hear("a report", report).await;
    agent
        .wait_condition(ConditionType::StateDirUnwritable, true)
        .await;
    let seen = coordinator.heard().iter().filter_map(beat).max();
    coordinator
        .hear("later beats", |h| beat(h).filter(|n| Some(*n) > seen))
        .await;
}

#[tokio::test]
async fn an_audit_log_that_goes_back_raises_a_condition_and_the_evidence_is_kept() {
    let (coordinator, rig) = enrolled().await;
    let agent = rig.run();
    coordinator.hear("a beat", beat).await;
    let head = |seq, hash: u8| {
        Response::AuditHead(v1::AuditHead {
            seq,
            hash: vec![hash; 32],
        })
    };
    coordinator.say(head(7, 1)).await;
    rig.wait_witness(7).await;
    coordinator.say(head(5, 2)).await;
    agent
        .wait_condition(ConditionType::AuditLogRewritten, true)
        .await;
    assert_eq!(agent.context.keeper.witness().map(|w| w.head.seq), Some(7));
    drop(agent);
    let again = rig.run();
    let (_, hello) = coordinator
        .hear("a greeting that shows it", |h| {
            hello(h).filter(|(_, h)| h.audit_head.as_ref().is_some_and(|a| a.seq == 7))
        })
        .await;
    assert_eq!(hello.audit_head.expect("shown").hash, vec![1; 32]);
    drop(again);
}

#[tokio::test]
async fn a_restriction_is_known_and_lifted_and_the_session_stays() {
    let (coordinator, rig) = enrolled().await;
    let agent = rig.run();
    coordinator.hear("a beat", beat).await;
    let mut restricted = agent.context.status.restricted.subscribe();
    let say = |text: &str, lifted| {
        Response::Restricted(v1::Restricted {
            explanation: text.into(),
            lifted,
        })
    };
    coordinator.say(say("banned by ada", false)).await;
    restricted
        .wait_for(|r| r.as_deref() == Some("banned by ada"))
        .await
        .expect("known");
    coordinator.say(say("", true)).await;
    restricted.wait_for(Option::is_none).await.expect("lifted");
    assert_eq!(coordinator.heard().iter().filter_map(hello).count(), 1);
}

#[tokio::test]
async fn a_coordinator_that_refuses_is_asked_again() {
    let (coordinator, rig) = enrolled().await;
    coordinator.script().refuse_sessions = Some((Code::PermissionDenied, "banned"));
    let _agent = rig.run();
    coordinator.refused(2).await;
    coordinator.script().refuse_sessions = None;
    coordinator.hear("a beat", beat).await;
}

#[tokio::test]
async fn a_frozen_agent_is_silent_on_an_open_stream_and_thaws() {
    let (coordinator, rig) = enrolled().await;
    let agent = rig.run();
    coordinator.hear("a beat", beat).await;
    // Its beats are the measure of time.
    let other = Rig::new();
    other.enroll(&coordinator).await.expect("enrolled");
    let _other = other.run();
    coordinator.beats_of(2, 1).await;
    agent.frozen.send_replace(true);
    // What was on its way arrives.
    coordinator.beats_of(2, 1).await;
    let beats = || {
        let first = |h: &Heard| match h {
            Heard::Stream { session: 1, .. } => beat(h),
            _ => None,
        };
        coordinator.heard().iter().filter_map(first).max()
    };
    let before = beats();
    coordinator.beats_of(2, 4).await;
    assert_eq!(beats(), before);
    agent.frozen.send_replace(false);
    coordinator.beats_of(1, 1).await;
    assert_eq!(
        coordinator.heard().iter().filter_map(hello).count(),
        2,
        "the same stream"
    );
}

#[tokio::test]
async fn a_coordinator_of_another_fleet_is_not_spoken_to() {
    let (_coordinator, rig) = enrolled().await;
    let other = Running::start("other", Script::default()).await;
    drop(_coordinator);
    let _agent = rig.run_with(vec![other.address.clone()]);
    // The second time, the first is over.
    other.dialled(2).await;
    assert!(other.heard().is_empty(), "{:?}", other.heard());
    let _ = token(&other, "t1");
}

#[tokio::test]
async fn an_idle_session_does_not_spin_when_nobody_can_freeze_it() {
    let (coordinator, rig) = enrolled().await;
    let mut agent = rig.run();
    agent.frozen = tokio::sync::watch::channel(false).0;
    coordinator.hear("a beat", beat).await;
    let spent = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
        let usage = usage.expect("answered");
        let time = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
        time(usage.user_time()) + time(usage.system_time())
    };
    let before = spent();
    coordinator.beats_of(1, 5).await;
    // Five to seven milliseconds where it sleeps; hundreds where it spins, on a loaded machine too.
    let spent = spent() - before;
    assert!(spent < 50_000, "{spent} µs of CPU in five beats");
}

/// The real clock, off by a number of seconds.
#[derive(Debug, Default)]
struct WrongClock(SystemClock, AtomicI64);

impl Clock for WrongClock {
    fn now(&self) -> Moment {
        let now = self.0.now();
        let off = SignedDuration::from_secs(self.1.load(Ordering::SeqCst));
        Moment {
            wall: now.wall + off,
            ..now
        }
    }
}

#[rstest::rstest]
#[case::ahead(3 * 86_400)]
#[case::behind(-3 * 86_400)]
#[tokio::test]
async fn a_server_whose_clock_is_days_wrong_goes_on_trying_and_is_back_when_it_is_set(
    #[case] seconds: i64,
) {
    let (coordinator, mut rig) = enrolled().await;
    let clock = Arc::new(WrongClock::default());
    clock.1.store(seconds, Ordering::SeqCst);
    rig.clock = clock.clone();
    let before = *coordinator.fake.dialled.borrow();
    let _agent = rig.run();
    coordinator.dialled(before + 2).await;
    assert_eq!(coordinator.heard().iter().filter_map(hello).count(), 0);
    clock.1.store(0, Ordering::SeqCst);
    coordinator.hear("a beat", beat).await;
    let asked = |h: &Heard| matches!(h, Heard::Reattest { .. } | Heard::Renew { .. });
    assert!(
        !coordinator.heard().iter().any(asked),
        "the certificate is as good as before"
    );
}
