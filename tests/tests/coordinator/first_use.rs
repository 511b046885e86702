//! The first use of a certificate, and a clone that shows itself, while the store takes no writes.

use std::time::Duration;

use h8lio_model::ids::Rotation;
use h8lio_tests::harness::{Fleet, Mode, Refused as _, Server, says, until};
use tonic::Code;

/// A server with a renewed certificate that it has not used, and a copy of it with the older one.
async fn renewed_and_copied(fleet: &Fleet) -> (Server, Server) {
    let mut server = fleet.enrolled("s1").await;
    drop(server.session().await.expect("a session"));
    let copy = server.copy();
    server.renew().await.expect("issued");
    server.restart_agent();
    (server, copy)
}

fn stored_rotation(fleet: &Fleet) -> Rotation {
    let registry = &fleet.running().services.registry;
    let record = registry.find("s1").expect("known").record();
    record.value.acknowledged()
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_use_that_could_not_be_stored_is_stored_later_and_counts_at_once() {
    let fleet = Fleet::start().await;
    let (server, copy) = renewed_and_copied(&fleet).await;
    fleet.store.set(Mode::Full);
    let session = server.session().await.expect("welcomed all the same");
    let _session = session.beating(Duration::from_millis(200));
    let refused = copy.session().await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    says(refused.message(), &["rotation 1", "rotation 2"]);
    assert_eq!(stored_rotation(&fleet), Rotation(1));
    fleet.store.set(Mode::Works);
    until("the first use in the store", || async {
        (stored_rotation(&fleet) == Rotation(2)).then_some(())
    })
    .await;
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_said_of_itself_is_stored_when_the_store_works_again() {
    let mut fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    drop(server.session().await.expect("a session"));
    server.reboot();
    fleet.store.set(Mode::Full);
    let session = server.session().await.expect("welcomed all the same");
    let session = session.beating(Duration::from_millis(200));
    fleet.store.set(Mode::Works);
    let registry = std::sync::Arc::clone(&fleet.running().services.registry);
    until("all in the store", || async {
        (!registry.find("s1").expect("known").is_behind()).then_some(())
    })
    .await;
    drop((session, registry));
    fleet.restart().await;
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.boot_id, server.boot.to_string());
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_that_could_not_be_stored_is_in_force_and_stored_later() {
    let fleet = Fleet::start().await;
    let (server, copy) = renewed_and_copied(&fleet).await;
    drop(server.session().await.expect("a session"));
    fleet.store.set(Mode::Full);
    for _ in 0..3 {
        copy.session().await.refused();
    }
    let restricted = |n: &h8lio_proto::v1::Node| n.restriction.is_some();
    fleet.admin.sees("s1", "quarantined", restricted).await;
    let refused = server.renew_and_lose().await.refused();
    says(
        refused.message(),
        &["quarantined", "no certificate is issued"],
    );
    fleet.store.set(Mode::Works);
    until("the quarantine in the store", || async {
        let registry = &fleet.running().services.registry;
        let record = registry.find("s1").expect("known").record();
        record.value.quarantined.clone()
    })
    .await;
    let entries = fleet.admin.audit().await;
    let told = entries.iter().filter(|e| e.action == "node.quarantine");
    assert_eq!(told.count(), 1);
    fleet.admin.sees_event("s1", "IdentityCloned").await;
    // It ends as any other does.
    fleet.admin.approve("s1").await.expect("approved");
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    let alerts = fleet.admin.events_of("s1", "IdentityCloned").await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_that_is_ended_before_it_was_stored_does_not_come_back() {
    let fleet = Fleet::start().await;
    let (server, copy) = renewed_and_copied(&fleet).await;
    drop(server.session().await.expect("a session"));
    fleet.store.set(Mode::Full);
    copy.session().await.refused();
    let restricted = |n: &h8lio_proto::v1::Node| n.restriction.is_some();
    fleet.admin.sees("s1", "quarantined", restricted).await;
    fleet.store.set(Mode::Works);
    // Whichever comes first, the retry or the approval.
    fleet.admin.approve("s1").await.expect("approved");
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    // Longer than until the next retry.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    server.renew_and_lose().await.expect("it may again");
}
