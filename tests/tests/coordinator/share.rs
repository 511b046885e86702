//! One identity that wants more than its share, over any number of sessions and connections.

use std::time::Duration;

use h8lio_tests::harness::{Fleet, Refused as _, says, soon, until};
use tonic::{Code, Status};

const DAY: Duration = Duration::from_secs(86_400);

fn is_refused_for_its_share(refusal: &Status, what: &str) {
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
    says(refusal.message(), &["this node", what, "minute"]);
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_renews_again_and_again_gets_some_certificates_and_no_more() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let mut issued = 0;
    let refusal = loop {
        match server.renew_and_lose().await {
            Ok(_) => issued += 1,
            Err(refusal) => break refusal,
        }
        assert!(issued < 100, "no end of certificates");
    };
    is_refused_for_its_share(&refusal, "certificates");
    assert!(
        issued >= 5,
        "{issued} are too few for an agent that cannot save them"
    );
    let other = fleet.enrolled("s2").await;
    other.renew_and_lose().await.expect("another node's share");
    fleet.pass(Duration::from_secs(60));
    server.renew_and_lose().await.expect("a minute later");
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_re_attests_again_and_again_does_not_fill_the_event_log() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    fleet.pass(2 * DAY);
    let mut refused = 0;
    for _ in 0..60 {
        // Each time with the certificate that has ended, as if power was lost before the save.
        if let Err(refusal) = server.clone().reattest().await {
            is_refused_for_its_share(&refusal, "certificates");
            refused += 1;
        }
    }
    assert!(refused >= 40, "{refused} of 60");
    until("an event for each that was not refused", || async {
        let told = fleet.admin.events_of("s1", "NodeReattested").await;
        (told.len() == 60 - refused).then_some(())
    })
    .await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_opens_sessions_without_end_is_refused() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let mut opened = 0;
    let refusal = loop {
        server.restart_agent();
        match server.session().await {
            Ok(_) => opened += 1,
            Err(refusal) => break refusal,
        }
        assert!(opened < 100, "no end of sessions");
    };
    is_refused_for_its_share(&refusal, "sessions");
    assert!(opened >= 10, "{opened} are too few for a bad network");
    fleet.pass(Duration::from_secs(10));
    server.session().await.expect("soon afterwards");
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_and_dials_again_has_no_whole_allowance_again() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let flood = async {
        for _ in 0..10 {
            server.restart_agent();
            let mut session = server.session().await.expect("a session");
            for _ in 0..150 {
                session.beat().await;
            }
            // Answered: so all beats before it were counted, or the session has ended.
            session
                .report(h8lio_model::section::SectionKind::Conditions, b"[]")
                .await;
            loop {
                match session.hear().await {
                    Ok(h8lio_proto::v1::connect_response::Message::Receipt(_)) => break,
                    Ok(_) => {}
                    Err(end) => return end,
                }
            }
        }
        panic!("1,500 beats were taken");
    };
    let end = soon("the end of the flood", flood).await;
    assert_eq!(end.code(), Code::ResourceExhausted, "{end}");
    says(end.message(), &["more messages than the 20 a second"]);
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_a_node_does_not_use_give_way_and_its_session_stays() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let beating = server.session().await.expect("a session");
    let beating = beating.beating(Duration::from_millis(200));
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(server.channel().await);
    }
    server.renew_and_lose().await.expect("a place for a call");
    assert!(beating.is_open());
    fleet
        .admin
        .label("s1", "a", "b")
        .await
        .expect("others get on");
}

/// scenario: 36 (integration)
#[tokio::test]
async fn a_certificate_that_has_not_ended_is_renewed_and_not_re_attested() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let refusal = server.reattest().await.refused();
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    says(refusal.message(), &["s1", "valid until", "renew"]);
    assert_eq!(fleet.admin.events_of("s1", "NodeReattested").await, []);
    server.session().await.expect("it is as good as before");
}

/// scenario: 36 (integration)
#[tokio::test]
async fn a_recovery_that_is_refused_again_and_again_is_told_once_an_hour() {
    let fleet = Fleet::builder()
        .with(|s| s.certificates.recovery_limit = DAY)
        .start()
        .await;
    let mut server = fleet.enrolled("s1").await;
    fleet.pass(9 * DAY);
    for _ in 0..5 {
        let refusal = server.reattest().await.refused();
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    }
    fleet.admin.sees_event("s1", "RecoveryRefused").await;
    // Whatever was told before this is in the log before it.
    fleet.admin.ban("s1").await.expect("banned");
    fleet.admin.sees_event("s1", "NodeBanned").await;
    let told = fleet.admin.events_of("s1", "RecoveryRefused").await;
    assert_eq!(told.len(), 1, "{told:?}");
}
