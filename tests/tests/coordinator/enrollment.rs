//! Who gets in, who waits, who does not, and what each is told.

use std::time::Duration;

use h8lio_proto::v1;
use h8lio_proto::v1::Admission;
use h8lio_tests::harness::{Fleet, Refused as _, dial_as, is_alert, says};
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::verify::Trust;
use tonic::Code;

#[tokio::test]
async fn a_server_that_its_token_expects_is_let_in_at_once() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut server = fleet.server("s1");
    let identity = server.enroll(&token).await.expect("answered").issued();
    assert_eq!(identity.rotation().0, 1);
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.admission(), Admission::Enrolled);
    assert_eq!(
        identity.spiffe().to_string(),
        format!("spiffe://test/node/{}", node.id)
    );
    fleet.admin.sees_event("s1", "NodeEnrolled").await;
    server.session().await.expect("a session");
}

#[tokio::test]
async fn a_server_that_nobody_expects_waits_for_a_person() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_nothing().create().await;
    let mut server = fleet.server("s1");
    let why = server.enroll(&token).await.expect("answered").pending();
    says(
        &why,
        &["expects no particular server", "h8lctl node approve"],
    );
    assert_eq!(fleet.admin.node("s1").await.admission(), Admission::Pending);
    assert_eq!(fleet.admin.node("s1").await.availability_reason, why);
    server.enroll(&token).await.expect("asked again").pending();
    fleet.admin.approve("s1").await.expect("approved");
    server.enroll(&token).await.expect("asked again").issued();
    server.session().await.expect("a session");
}

#[tokio::test]
async fn a_server_that_differs_from_what_was_expected_waits_and_both_are_named() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut other = fleet.server("s2");
    let why = other.enroll(&token).await.expect("answered").pending();
    says(&why, &["serial", "\"S1\"", "\"S2\"", "h8lctl node approve"]);
    let event = fleet.admin.sees_event("s2", "NodePending").await;
    says(&event.message, &["s2", "\"S1\"", "\"S2\""]);
}

#[tokio::test]
async fn asking_again_answers_for_the_same_node_and_costs_no_further_use() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut server = fleet.server("s1");
    let first = server.enroll(&token).await.expect("answered").issued();
    let again = server.enroll(&token).await.expect("asked again").issued();
    assert_eq!(first.spiffe(), again.spiffe());
    assert!(
        again.rotation() > first.rotation(),
        "no rotation is given twice"
    );
    let entries = fleet.admin.audit().await;
    assert_eq!(
        entries.iter().filter(|e| e.action == "node.enroll").count(),
        1
    );
    server.session().await.expect("the newer certificate works");
}

/// scenario: 34 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_with_one_token_one_wins_and_the_other_raises_an_alert() {
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().create().await;
    let (mut a, mut b) = (fleet.server("a"), fleet.server("b"));
    let (first, second) = tokio::join!(a.enroll(&token), b.enroll(&token));
    let (won, lost) = match (first, second) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("not one winner: {both:?}"),
    };
    won.issued();
    assert_eq!(lost.code(), Code::PermissionDenied);
    says(
        lost.message(),
        &[
            token.id.as_str(),
            "used up",
            "somebody else",
            "h8lctl event list",
        ],
    );
    let alert = fleet.admin.sees_event("", "TokenMisused").await;
    assert!(is_alert(&alert), "{alert:?}");
    says(&alert.message, &[token.id.as_str(), "127.0.0.1"]);
    let status = fleet.admin.status().await.expect("a status");
    assert_eq!(status.nodes.values().sum::<u32>(), 1, "{:?}", status.nodes);
}

/// scenario: 34 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_five_uses_admits_five_of_twenty_servers() {
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().uses(5).create().await;
    let mut asking = tokio::task::JoinSet::new();
    let text = token.expose();
    for n in 0..20 {
        let mut server = fleet.server(&format!("s{n}"));
        let token = text.parse().expect("the token");
        asking.spawn(async move { server.enroll(&token).await.is_ok() });
    }
    let admitted = asking.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!(admitted, 5);
}

#[tokio::test]
async fn a_token_for_a_whole_fleet_does_not_grow_with_it_and_names_all_who_used_it() {
    let mut fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().uses(9).create().await;
    let key = h8lio_coordinator::registry::records::token_key(&token.id);
    let mut sizes = Vec::new();
    for n in 1..=8 {
        let mut server = fleet.server(&format!("s{n}"));
        server.enroll(&token).await.expect("answered").issued();
        let kv = fleet.running().services.store.get(&key).await;
        sizes.push(kv.expect("read").expect("there").value.len());
    }
    assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    fleet.restart().await;
    let mut last = fleet.server("s9");
    last.enroll(&token).await.expect("answered").issued();
    let mut calls = fleet.admin.fleet().await;
    let listed = calls.list_tokens(v1::ListTokensRequest {}).await;
    let mut used_by = listed
        .expect("listed")
        .into_inner()
        .tokens
        .remove(0)
        .used_by;
    used_by.sort();
    let mut ids = Vec::new();
    for n in 1..=9 {
        ids.push(fleet.admin.node(&format!("s{n}")).await.id);
    }
    ids.sort();
    assert_eq!(used_by, ids);
    let refused = fleet.server("s10").enroll(&token).await.refused();
    says(refused.message(), &["used up", "9 of 9 uses"]);
}

#[tokio::test]
async fn a_token_of_another_fleet_or_with_a_wrong_secret_gets_one_answer() {
    let fleet = Fleet::start().await;
    let other = Fleet::start().await;
    let foreign = other.token().for_anybody().create().await;
    let token = fleet.token().for_anybody().create().await;
    let mut server = fleet.server("s1");
    let channel = fleet.admin.channel().await;
    let refused = server
        .ask(channel.clone(), server.request(&foreign))
        .await
        .refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    says(
        refused.message(),
        &[
            foreign.id.as_str(),
            "not known to this coordinator",
            "another fleet",
        ],
    );
    let mut request = server.request(&token);
    request.token_secret[0] ^= 1;
    let wrong = server.ask(channel, request).await.refused();
    let same = refused
        .message()
        .replace(foreign.id.as_str(), token.id.as_str());
    assert_eq!(
        wrong.message(),
        same,
        "a guesser learns nothing about which ids exist"
    );
}

#[tokio::test]
async fn an_expired_and_a_revoked_token_are_told_apart() {
    let fleet = Fleet::start().await;
    let revoked = fleet.token().for_anybody().create().await;
    let request = h8lio_proto::v1::RevokeTokenRequest {
        id: revoked.id.to_string(),
        change: h8lio_tests::harness::change("leaked"),
    };
    fleet
        .admin
        .fleet()
        .await
        .revoke_token(request)
        .await
        .expect("revoked");
    let mut server = fleet.server("s1");
    let refused = server.enroll(&revoked).await.refused();
    says(
        refused.message(),
        &[revoked.id.as_str(), "was revoked", "h8lctl token create"],
    );
    let short = fleet
        .token()
        .for_anybody()
        .living(Duration::from_secs(60))
        .create()
        .await;
    fleet.pass(Duration::from_secs(61));
    let refused = server.enroll(&short).await.refused();
    says(
        refused.message(),
        &[short.id.as_str(), "expired at", "h8lctl token create"],
    );
}

#[tokio::test]
async fn a_coordinator_without_the_pin_of_the_token_is_not_asked() {
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().create().await;
    let wrong = Trust::Pin(SpkiPin([7; 32]));
    let refused = dial_as(&fleet.dial, wrong, None)
        .await
        .expect_err("not trusted");
    says(
        &refused.to_string(),
        &["pin", "another fleet", "in the coordinator's place"],
    );
    // The true pin of that token works, so it was the pin.
    fleet
        .server("s1")
        .enroll(&token)
        .await
        .expect("answered")
        .issued();
}

#[tokio::test]
async fn a_name_that_is_taken_is_said_so_and_the_token_keeps_its_use() {
    let fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let token = fleet.token().expecting_serial("S9").create().await;
    let mut twin = fleet.server("s1");
    twin.claims.serial = "S9".to_owned();
    let refused = twin.enroll(&token).await.refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    says(
        refused.message(),
        &["s1 exists", "h8lctl node decommission s1", "--name"],
    );
    twin.claims.hostname = "s9".to_owned();
    twin.enroll(&token).await.expect("answered").issued();
}

#[tokio::test]
async fn guessing_tokens_is_slowed_and_says_so() {
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().create().await;
    let mut server = fleet.server("s1");
    let channel = fleet.admin.channel().await;
    let mut request = server.request(&token);
    request.token_secret = vec![0; 32];
    let mut codes = Vec::new();
    for _ in 0..40 {
        codes.push(
            server
                .ask(channel.clone(), request.clone())
                .await
                .refused()
                .code(),
        );
    }
    assert_eq!(codes.first(), Some(&Code::PermissionDenied));
    assert_eq!(codes.last(), Some(&Code::ResourceExhausted));
    let refused = server.enroll(&token).await.refused();
    says(
        refused.message(),
        &["too many failed attempts", "wait a minute"],
    );
    fleet.clock.skip(Duration::from_secs(60));
    server.enroll(&token).await.expect("answered").issued();
}
