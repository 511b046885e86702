use std::time::Duration;

use crate::bench::{self, Bench, eventually};
use h8lio_proto::v1;
use tonic::Code;

/// scenario: 37 (unit)
#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_done_to_its_end_although_the_operator_hung_up() {
    let b = Bench::start().await;
    let (node, _key) = b.enroll("n1").await;
    let mut session = b.session(&node.identity, 1).await;
    session.welcome().await;
    b.store.hold();
    let mut nodes = b.nodes().await;
    let ban = tokio::spawn(async move {
        let request = v1::BanNodeRequest {
            node: "n1".into(),
            change: Some(bench::change()),
        };
        nodes.ban_node(request).await
    });
    eventually("the ban waits for the store", || b.store.waiting() > 0).await;
    ban.abort();
    let _ = ban.await;
    // The connection is closed by now or very soon; only then may the store go on.
    tokio::time::sleep(Duration::from_millis(300)).await;
    b.store.release();
    let end = tokio::time::timeout(Duration::from_secs(5), session.end()).await;
    let status = end
        .expect("the session of a banned node is cut")
        .expect_err("cut");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_connection_while_it_enrolled_asks_again_and_is_let_in() {
    let b = Bench::start().await;
    let token = b.token("n1", 1).await;
    let key = h8lio_tls::identity::generate_key().expect("key");
    b.store.hold();
    let mut client = b.anonymous(&token).await;
    let request = bench::enroll_request(&token, &key, "n1");
    let first = tokio::spawn(async move { client.enroll(request).await });
    eventually("the admission waits for the store", || {
        b.store.waiting() > 0
    })
    .await;
    first.abort();
    let _ = first.await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    b.store.release();
    let mut client = b.anonymous(&token).await;
    let again = client
        .enroll(bench::enroll_request(&token, &key, "n1"))
        .await
        .expect("the same server with the same key is known")
        .into_inner();
    assert!(matches!(
        again.outcome,
        Some(v1::enroll_response::Outcome::Issued(_))
    ));
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_between_the_call_and_the_hello_opens_no_session() {
    let b = Bench::start().await;
    let (node, _key) = b.enroll("n1").await;
    let mut session = b.call(&node.identity).await;
    b.ban("n1").await;
    session.hello(1).await;
    let status = session
        .first()
        .await
        .expect_err("a banned node is not welcomed");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    b.stop().await;
}

/// scenario: 35 (unit)
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_replaced_certificate_cannot_renew_itself_into_a_good_one() {
    let b = Bench::start().await;
    let (node, _key) = b.enroll("n1").await;
    let mut old = b.session(&node.identity, 1).await;
    old.welcome().await;
    let newer = b.renew(&node.identity).await.expect("the first renewal");
    let mut new = b.session(&newer, 1).await;
    new.welcome().await;
    let status = b.renew(&node.identity).await.expect_err("replaced");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_key_enrolls_again_until_its_certificate_was_used() {
    let b = Bench::start().await;
    let (node, key) = b.enroll("n1").await;
    let mut client = b.anonymous(&node.token).await;
    let request = || bench::enroll_request(&node.token, &key, "n1");
    client.enroll(request()).await.expect("its answer was lost");
    b.session(&node.identity, 1).await.welcome().await;
    let status = client.enroll(request()).await.expect_err("in use");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_operator_follows_no_further_events() {
    let b = Bench::start().await;
    let eve = b.operator("eve").await;
    let mut fleet = b.fleet_as(&eve).await;
    let mut events = fleet
        .follow_events(v1::FollowEventsRequest::default())
        .await
        .expect("a viewer may")
        .into_inner();
    b.revoke("eve").await;
    b.enroll("n1").await;
    let next = tokio::time::timeout(Duration::from_secs(5), events.message()).await;
    let status = next
        .expect("an answer")
        .expect_err("no event for the revoked");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_clock_and_a_hostile_page_number_break_nothing() {
    let b = Bench::start().await;
    let (node, _key) = b.enroll("n1").await;
    let mut session = b.session(&node.identity, 1).await;
    session.welcome().await;
    session.beat(i64::MIN).await;
    let mut nodes = b.nodes().await;
    for _ in 0..20 {
        nodes
            .list_nodes(v1::ListNodesRequest::default())
            .await
            .expect("a list, whatever one node says");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut fleet = b.fleet().await;
    let request = v1::ListEventsRequest {
        after_seq: u64::MAX,
        ..Default::default()
    };
    let events = fleet.list_events(request).await.expect("a page");
    assert!(events.into_inner().events.is_empty());
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_hung_up_while_it_was_contested_takes_nobodys_place() {
    let b = Bench::start().await;
    let (node, _key) = b.enroll("n1").await;
    let mut first = b.session(&node.identity, 1).await;
    first.welcome().await;
    let other = b.session(&node.identity, 2).await;
    // Long enough for its Hello to arrive, short of the three beats that the contest takes.
    tokio::time::sleep(bench::BEAT).await;
    drop(other);
    let cut = tokio::time::timeout(bench::BEAT * 6, first.end()).await;
    assert!(cut.is_err(), "{cut:?}");
    b.stop().await;
}
