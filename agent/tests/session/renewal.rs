//! Renewal, re-attestation, changes of trust.

use std::time::Duration;

use h8lio_agent::identity::document::Document;
use h8lio_model::condition::ConditionType;
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Request;
use h8lio_proto::v1::connect_response::Message as Response;
use jiff::SignedDuration;

use super::authority::TestCa;
use super::coordinator::{Heard, Running, Script, beat, hello};
use super::rig::Rig;

async fn enrolled(script: Script) -> (Running, Rig, u64) {
    let coordinator = Running::start("test", script).await;
    let rig = Rig::new();
    rig.enroll(&coordinator).await.expect("enrolled");
    let first = coordinator.fake.ca.rotations();
    (coordinator, rig, first)
}

#[tokio::test]
async fn a_renewed_identity_opens_its_session_before_the_old_one_says_goodbye() {
    let (coordinator, rig, first) = enrolled(Script::default()).await;
    let _agent = rig.run();
    coordinator.hear("a beat", beat).await;
    coordinator.say(Response::RenewNow(v1::RenewNow {})).await;
    coordinator
        .hear("the old session moves", |h| match h {
            Heard::Stream {
                rotation, message, ..
            } => match &message.message {
                Some(Request::Goodbye(g)) => (*rotation == first && g.reason == 3).then_some(()),
                _ => None,
            },
            _ => None,
        })
        .await;
    let heard = coordinator.heard();
    let greeted = heard
        .iter()
        .position(|h| hello(h).is_some_and(|(r, _)| r == first + 1));
    let renewed = heard
        .iter()
        .position(|h| matches!(h, Heard::Renew { rotation } if *rotation == first));
    assert!(
        renewed < greeted && greeted < Some(heard.len() - 1),
        "{heard:#?}"
    );
    wait_for_acknowledgement(&rig, first + 1).await;
}

#[tokio::test]
async fn a_renewed_and_acknowledged_identity_still_resumes_its_tls_session() {
    let (coordinator, rig, first) = enrolled(Script::default()).await;
    let _agent = rig.run();
    coordinator.hear("a beat", beat).await;
    coordinator.say(Response::RenewNow(v1::RenewNow {})).await;
    wait_for_acknowledgement(&rig, first + 1).await;
    let before = *coordinator.fake.resumed.borrow();
    coordinator
        .cut(tonic::Status::unavailable("the coordinator restarts"))
        .await;
    coordinator.resumed(before + 1).await;
}

async fn wait_for_acknowledgement(rig: &Rig, rotation: u64) {
    let acknowledged = async {
        loop {
            let d = Document::load(rig.disk.as_ref())
                .expect("readable")
                .expect("enrolled");
            let now = d.current.identity().expect("usable").rotation().0;
            if d.next.is_none() && now == rotation {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), acknowledged)
        .await
        .expect("acknowledged");
}

#[tokio::test]
async fn a_certificate_past_half_of_its_life_is_renewed_without_being_asked() {
    let script = Script {
        // Past six tenths of its life.
        life: (
            SignedDuration::from_mins(-70),
            SignedDuration::from_mins(30),
        ),
        ..Script::default()
    };
    let (coordinator, rig, first) = enrolled(script).await;
    coordinator.script().life = Script::default().life;
    let _agent = rig.run();
    coordinator
        .hear("the renewed one greets", |h| {
            hello(h).filter(|(r, _)| *r == first + 1)
        })
        .await;
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_a_condition_and_the_session_goes_on() {
    let script = Script {
        life: (
            SignedDuration::from_mins(-70),
            SignedDuration::from_mins(30),
        ),
        refuse_renewals: true,
        ..Script::default()
    };
    let (coordinator, rig, first) = enrolled(script).await;
    let agent = rig.run();
    agent
        .wait_condition(ConditionType::CertificateNotRenewed, true)
        .await;
    let seen = coordinator.heard().iter().filter_map(beat).max();
    coordinator
        .hear("later beats", |h| beat(h).filter(|n| Some(*n) > seen))
        .await;
    *coordinator.script() = Script::default();
    coordinator.say(Response::RenewNow(v1::RenewNow {})).await;
    coordinator
        .hear("the renewed one greets", |h| {
            hello(h).filter(|(r, _)| *r > first)
        })
        .await;
    agent
        .wait_condition(ConditionType::CertificateNotRenewed, false)
        .await;
}

#[tokio::test]
async fn a_server_that_was_off_past_its_certificates_life_reattests_with_its_old_key() {
    let script = Script {
        life: (
            SignedDuration::from_hours(-48),
            SignedDuration::from_hours(-24),
        ),
        refuse_sessions: Some((tonic::Code::Unauthenticated, "the certificate has expired")),
        ..Script::default()
    };
    let (coordinator, rig, first) = enrolled(script).await;
    let _agent = rig.run();
    coordinator
        .hear("a re-attestation with the old certificate", |h| {
            matches!(h, Heard::Reattest { rotation } if *rotation == first).then_some(())
        })
        .await;
    coordinator
        .hear("the new one greets", |h| {
            hello(h).filter(|(r, _)| *r == first + 1)
        })
        .await;
}

#[tokio::test]
async fn new_roots_are_kept_before_they_are_used_and_then_shown() {
    let (coordinator, rig, _) = enrolled(Script::default()).await;
    let agent = rig.run();
    coordinator.hear("a beat", beat).await;
    let next = TestCa::new("test");
    let roots = vec![coordinator.fake.ca.root().to_vec(), next.root().to_vec()];
    let bundle = v1::TrustBundle {
        roots,
        digest: Vec::new(),
    };
    coordinator.say(Response::TrustBundle(bundle)).await;
    let both = async {
        let mut members = agent.context.vault.watch();
        members
            .wait_for(|m| m.bundle.roots().len() == 2)
            .await
            .expect("alive")
            .bundle
            .digest()
    };
    let digest = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("adopted");
    let kept = Document::load(rig.disk.as_ref())
        .expect("readable")
        .expect("enrolled");
    assert_eq!(kept.bundle().expect("usable").digest(), digest);
    coordinator
        .hear("a greeting with the new digest", |h| {
            hello(h).filter(|(_, h)| h.trust_bundle_digest == digest.0)
        })
        .await;
}
