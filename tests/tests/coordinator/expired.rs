//! Certificates whose time is over, or has not begun.

use std::time::Duration;

use h8lio_coordinator::clock::Clock as _;
use h8lio_proto::convert::timestamp;
use h8lio_proto::v1;
use h8lio_tests::harness::{Fleet, Refused as _, Server, change, dial, says, until};
use jiff::{SignedDuration, Timestamp};
use tonic::Code;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Certificates of a day, accepted for re-attestation up to ten days later.
async fn ten_days() -> Fleet {
    Fleet::builder()
        .with(|s| s.certificates.recovery_limit = DAY * 10)
        .start()
        .await
}

async fn back(server: &mut Server) {
    server.reattest().await.expect("a new certificate");
    server.session().await.expect("a session");
}

/// The coordinator has noted that it lives now; it does so every few minutes.
async fn noted(fleet: &Fleet) {
    until("the sign of life", || async {
        let store = &fleet.running().services.store;
        let kv = store
            .get("/h8lio/meta/outages")
            .await
            .expect("read")
            .expect("there");
        let note: serde_json::Value = serde_json::from_slice(&kv.value).expect("JSON");
        let alive: Timestamp = note["aliveAt"].as_str()?.parse().ok()?;
        let age = fleet.clock.now().duration_since(alive);
        (age < SignedDuration::from_hours(1)).then_some(())
    })
    .await;
}

/// scenario: 36 (integration)
#[tokio::test]
async fn an_expired_node_has_no_session_and_regains_its_certificate() {
    let fleet = ten_days().await;
    let mut server = fleet.enrolled("s1").await;
    server.session().await.expect("a session");
    fleet.pass(DAY * 5);
    let refused = server.session().await.refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
    says(refused.message(), &["expired at", "re-attest"]);
    assert_eq!(
        server.renew_and_lose().await.refused().code(),
        Code::Unauthenticated
    );
    let before = server.identity().rotation();
    back(&mut server).await;
    assert!(server.identity().rotation() > before);
    fleet.admin.sees_event("s1", "NodeReattested").await;
}

/// scenario: 36 (integration)
#[tokio::test]
async fn past_the_recovery_limit_a_person_decides() {
    let fleet = ten_days().await;
    let mut server = fleet.enrolled("s1").await;
    fleet.pass(DAY * 12);
    let refused = server.reattest().await.refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    says(
        refused.message(),
        &[
            "s1",
            "11 days ago",
            "10 days",
            "h8lctl node allow-recovery s1",
        ],
    );
    fleet.admin.sees_event("s1", "RecoveryRefused").await;
    let until = fleet
        .clock
        .now()
        .checked_add(SignedDuration::from_hours(1))
        .expect("in range");
    let request = v1::AllowRecoveryRequest {
        node: "s1".to_owned(),
        until: Some(timestamp(until)),
        change: change("was in storage"),
    };
    fleet
        .admin
        .nodes()
        .await
        .allow_recovery(request)
        .await
        .expect("allowed");
    back(&mut server).await;
}

/// scenario: 36 (integration)
#[tokio::test]
async fn what_a_person_allowed_ends_when_it_says() {
    let fleet = ten_days().await;
    let mut server = fleet.enrolled("s1").await;
    fleet.pass(DAY * 12);
    let until = fleet
        .clock
        .now()
        .checked_add(SignedDuration::from_hours(1))
        .expect("in range");
    let request = v1::AllowRecoveryRequest {
        node: "s1".to_owned(),
        until: Some(timestamp(until)),
        change: change("was in storage"),
    };
    fleet
        .admin
        .nodes()
        .await
        .allow_recovery(request)
        .await
        .expect("allowed");
    fleet.pass(HOUR * 2);
    assert_eq!(
        server.reattest().await.refused().code(),
        Code::FailedPrecondition
    );
}

/// scenario: 36 (integration)
#[tokio::test]
async fn time_without_a_coordinator_does_not_count_against_the_limit() {
    let mut fleet = ten_days().await;
    let (mut away, mut late) = (fleet.enrolled("s1").await, fleet.enrolled("s2").await);
    // 1 day of life, then 7 days over; 20 days without a coordinator; 2 days with one.
    fleet.pass(DAY * 8);
    noted(&fleet).await;
    fleet.stop().await;
    fleet.pass(DAY * 20);
    fleet.start_again().await;
    fleet.pass(DAY * 2);
    away.follow(&fleet);
    back(&mut away).await;
    // Over for 11 days that count.
    fleet.pass(DAY * 2);
    late.follow(&fleet);
    says(
        late.reattest().await.refused().message(),
        &["11 days ago", "10 days"],
    );
}

/// scenario: 36 (integration)
#[tokio::test]
async fn proof_of_possession_is_the_key_and_not_the_claim() {
    let fleet = ten_days().await;
    let original = fleet.enrolled("s1").await;
    let mut other = fleet.enrolled("s2").await;
    fleet.pass(DAY * 5);
    other.claims = original.claims.clone();
    let identity = other.reattest().await.expect("a certificate for itself");
    assert_eq!(identity.spiffe(), other.identity().spiffe());
    assert_ne!(identity.spiffe(), original.identity().spiffe());
    let nobody = dial(&fleet.dial, None).await.expect("connected");
    let request = v1::ReattestRequest::default();
    let mut calls = v1::enrollment_service_client::EnrollmentServiceClient::new(nobody);
    let refused = calls.reattest(request).await.refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// scenario: 31 (integration)
#[tokio::test]
async fn not_yet_valid_is_told_apart_from_expired() {
    let fleet = ten_days().await;
    let mut server = fleet.enrolled("s1").await;
    // The coordinator's clock a day ahead: the certificate looks expired, and the way back works.
    fleet.clock.jump_wall(SignedDuration::from_hours(25));
    says(
        server.session().await.refused().message(),
        &["expired at", "re-attest"],
    );
    back(&mut server).await;
    fleet.clock.jump_wall(SignedDuration::from_hours(-25));
    // Right again: the new certificate begins in the future by this clock.
    let channel = dial(&fleet.dial, Some(server.identity())).await;
    let told = match channel {
        Err(e) => e.to_string(),
        Ok(channel) => {
            let mut calls = v1::enrollment_service_client::EnrollmentServiceClient::new(channel);
            let refused = calls.renew(v1::RenewRequest::default()).await.refused();
            h8lio_tls::cause::explain(&refused)
        }
    };
    says(&told, &["not yet valid", "clock"]);
    assert!(!told.contains("has expired"), "{told}");
}

/// scenario: 31 (integration)
#[tokio::test]
async fn a_client_whose_clock_is_wrong_is_told_which_of_the_two_it_is() {
    let fleet = ten_days().await;
    for (error, says_so) in [(-26, "not yet valid"), (24 * 400, "expired at")] {
        let clock = h8lio_tests::harness::TestClock::default();
        clock.jump_wall(SignedDuration::from_hours(error));
        let mut to = fleet.dial.clone();
        to.clock = std::sync::Arc::new(clock);
        let refused = dial(&to, None).await.expect_err("not trusted");
        says(&refused.to_string(), &[says_so, "clock"]);
    }
}
