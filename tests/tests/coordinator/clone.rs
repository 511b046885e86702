//! One identity in two servers, and what only looks like it.

use h8lio_proto::v1::connect_response::Message;
use h8lio_proto::v1::goodbye::Reason;
use h8lio_proto::v1::restriction::Kind;
use h8lio_proto::v1::{Availability, Node};
use h8lio_tests::harness::{Fleet, Refused as _, is_alert, says};
use tonic::Code;

use std::time::Duration;

const BEAT: Duration = Duration::from_millis(200);

fn is_quarantined(node: &Node) -> bool {
    node.restriction
        .as_ref()
        .is_some_and(|r| r.kind() == Kind::Quarantined)
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_live_sessions_from_two_boots_quarantine_that_identity_alone() {
    let fleet = Fleet::start().await;
    let (original, bystander) = (fleet.enrolled("s1").await, fleet.enrolled("s2").await);
    let there = original.session().await.expect("a session").beating(BEAT);
    let other = bystander.session().await.expect("a session").beating(BEAT);
    let refused = original.copy().session().await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let node = fleet.admin.sees("s1", "quarantined", is_quarantined).await;
    assert!(
        node.conditions.iter().any(|c| c.r#type == "IdentityCloned"),
        "{node:?}"
    );
    let alert = fleet.admin.sees_event("s1", "IdentityCloned").await;
    assert!(is_alert(&alert), "{alert:?}");
    says(
        &alert.message,
        &["s1", "find the copy", "h8lctl node approve s1"],
    );
    // The session that is there goes on beating and is told.
    there
        .hears("the restriction", |m| match m {
            Message::Restricted(r) if !r.lifted => Some(()),
            _ => None,
        })
        .await;
    assert!(there.is_open());
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    let entries = fleet.admin.audit().await;
    let entry = entries.last().expect("it is on record");
    let what = [&entry.actor, &entry.action, &entry.target].map(String::as_str);
    assert_eq!(what, ["coordinator", "node.quarantine", "node/s1"]);
    says(&entry.reason, &["two servers use this identity"]);
    // Nobody else is touched.
    assert!(other.is_open());
    assert_eq!(fleet.admin.node("s2").await.restriction, None);
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_identity_gets_no_certificate_and_its_reports_are_not_believed() {
    let fleet = Fleet::start().await;
    let original = fleet.enrolled("s1").await;
    let there = original.session().await.expect("a session").beating(BEAT);
    original.copy().session().await.refused();
    drop(there);
    let refused = original.renew_and_lose().await.refused();
    says(
        refused.message(),
        &["quarantined", "no certificate", "operator"],
    );
    let mut session = original.session().await.expect("it may still beat");
    let told = session.welcome.restricted.clone().expect("told");
    says(&told.explanation, &["quarantined"]);
    session
        .report(h8lio_model::section::SectionKind::Conditions, b"[]")
        .await;
    let receipt = session.receipt().await;
    assert_eq!(
        (receipt.received.len(), receipt.refused.len()),
        (0, 1),
        "{receipt:?}"
    );
    fleet.admin.approve("s1").await.expect("approved");
    session
        .report(h8lio_model::section::SectionKind::Conditions, b"[]")
        .await;
    assert_eq!(session.receipt().await.received.len(), 1);
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_keeps_knocking_raises_one_alert() {
    let fleet = Fleet::start().await;
    let original = fleet.enrolled("s1").await;
    let _there = original.session().await.expect("a session").beating(BEAT);
    let copy = original.copy();
    for _ in 0..3 {
        copy.session().await.refused();
    }
    fleet.admin.sees_event("s1", "IdentityCloned").await;
    // A later event of the same writer shows that nothing else is on its way.
    fleet.admin.ban("s1").await.expect("banned");
    fleet.admin.sees_event("s1", "NodeBanned").await;
    assert_eq!(fleet.admin.events_of("s1", "IdentityCloned").await.len(), 1);
    let entries = fleet.admin.audit().await;
    let quarantines = entries.iter().filter(|e| e.action == "node.quarantine");
    assert_eq!(quarantines.count(), 1);
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebooted_server_whose_old_session_is_silent_is_no_clone() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let old = server.session().await.expect("a session").beating(BEAT);
    // Power is lost: no goodbye, and the connection is not closed.
    old.pause();
    server.reboot();
    let new = server.session().await.expect("let in").beating(BEAT);
    assert!(new.is_open());
    let node = fleet
        .admin
        .sees("s1", "rebooted", |n| n.boot_id == server.boot.to_string())
        .await;
    assert_eq!(node.restriction, None);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

/// scenario: 35 (integration)
#[tokio::test]
async fn a_restarted_agent_takes_over_from_itself() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let mut old = server.session().await.expect("a session").beating(BEAT);
    // Killed: its connection stands, and nobody speaks on it any more.
    old.pause();
    server.restart_agent();
    let _new = server.session().await.expect("let in");
    assert_eq!(old.end().await.code(), Code::Aborted);
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
}

/// Two servers that were one running machine a moment ago, or two containers on one server.
async fn of_one_boot(change: impl FnOnce(&mut h8lio_tests::harness::Server)) {
    let fleet = Fleet::start().await;
    let original = fleet.enrolled("s1").await;
    let mut twin = original.clone();
    change(&mut twin);
    let mut old = original.session().await.expect("a session").beating(BEAT);
    let new = twin.session().await.expect("let in").beating(BEAT);
    fleet.admin.sees("s1", "quarantined", is_quarantined).await;
    let alert = fleet.admin.sees_event("s1", "IdentityCloned").await;
    says(
        &alert.message,
        &[
            "two servers",
            "both of boot",
            "snapshot",
            "h8lctl node approve s1",
        ],
    );
    says(old.end().await.message(), &["two servers"]);
    assert!(new.is_open(), "one of the two goes on and is told");
    new.hears("the restriction", |m| match m {
        Message::Restricted(r) if !r.lifted => Some(()),
        _ => None,
    })
    .await;
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_of_a_running_server_is_a_clone_although_all_its_ids_are_the_same() {
    of_one_boot(|_| ()).await;
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_containers_of_one_boot_are_clones() {
    of_one_boot(h8lio_tests::harness::Server::restart_agent).await;
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loses_its_connection_and_comes_back_at_once_is_no_clone() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let session = server.session().await.expect("a session").beating(BEAT);
        if let Some(old) = sessions.last() {
            let old: &h8lio_tests::harness::Beating = old;
            old.pause();
        }
        sessions.push(session);
    }
    for mut old in sessions.drain(..3) {
        assert_eq!(old.end().await.code(), Code::Aborted);
    }
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    assert!(sessions[0].is_open());
}

/// scenario: 35 (integration)
#[tokio::test]
async fn power_lost_between_issue_and_first_use_is_no_clone() {
    let fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    server
        .session()
        .await
        .expect("a session")
        .goodbye(Reason::Shutdown)
        .await;
    let lost = server.renew_and_lose().await.expect("issued");
    assert_eq!(lost.rotation().0, 2);
    server.reboot();
    server
        .session()
        .await
        .expect("let in with the old one")
        .goodbye(Reason::Restart)
        .await;
    // Saved but not used yet, and a later one lost.
    server.renew().await.expect("issued");
    server.renew_and_lose().await.expect("issued");
    server.reboot();
    server
        .session()
        .await
        .expect("let in with the one that was saved");
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_older_than_one_already_used_is_a_copy() {
    let fleet = Fleet::start().await;
    let mut original = fleet.enrolled("s1").await;
    let image = original.copy();
    original.renew().await.expect("issued");
    let there = original.session().await.expect("a session").beating(BEAT);
    let refused = image.session().await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    says(
        refused.message(),
        &["rotation 1", "rotation 2", "copy of this identity"],
    );
    fleet.admin.sees("s1", "quarantined", is_quarantined).await;
    assert!(there.is_open(), "the server that is there is left alone");
}

/// scenario: 35 (integration)
#[tokio::test]
async fn an_old_copy_cannot_renew_itself_past_the_original_which_goes_on() {
    let fleet = Fleet::start().await;
    let mut original = fleet.enrolled("s1").await;
    let mut image = original.copy();
    original.renew().await.expect("issued");
    original
        .session()
        .await
        .expect("a session")
        .goodbye(Reason::Restart)
        .await;
    let refused = image.renew().await.refused();
    says(refused.message(), &["rotation 1", "rotation 2", "a copy"]);
    // The original's own request may come late over its old connection: that is no proof.
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    original.renew().await.expect("issued");
}

/// scenario: 35 (integration)
#[tokio::test]
async fn an_old_copy_cannot_reattest_past_the_original() {
    let fleet = Fleet::start().await;
    let mut original = fleet.enrolled("s1").await;
    let mut image = original.copy();
    original.renew().await.expect("issued");
    original
        .session()
        .await
        .expect("a session")
        .goodbye(Reason::Restart)
        .await;
    fleet.pass(Duration::from_secs(2 * 86_400));
    let refused = image.reattest().await.refused();
    says(refused.message(), &["rotation 1", "rotation 2", "a copy"]);
    fleet.admin.sees("s1", "quarantined", is_quarantined).await;
}
