//! A store that is full, read-only, or in other hands.

use std::sync::Arc;

use h8lio_coordinator::app;
use h8lio_coordinator::clock::SystemClock;
use h8lio_proto::v1::Availability;
use h8lio_tests::harness::{Fleet, Mode, Refused as _, says, until};
use std::time::Duration;
use tonic::Code;

const BEAT: Duration = Duration::from_millis(200);

/// What goes on while nothing can be written, and again afterwards.
async fn writes_are_refused_and_reads_go_on(mode: Mode, parts: &[&str]) {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let session = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
    let token = fleet.token().for_anybody().create().await;
    let entries = fleet.admin.audit().await;
    fleet.store.set(mode);
    for refused in [
        fleet.admin.label("s1", "a", "b").await.refused(),
        fleet.admin.ban("s1").await.refused(),
        fleet.server("s2").enroll(&token).await.refused(),
    ] {
        assert_eq!(refused.code(), Code::Unavailable);
        says(
            refused.message(),
            &["so it was not done", "cannot write to the store"],
        );
        says(refused.message(), parts);
    }
    assert!(session.is_open(), "nobody was banned");
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
    assert_eq!(fleet.admin.audit().await, entries);
    let status = fleet.admin.status().await.expect("reading works");
    says(&status.store, parts);
    // A server that comes now is still let in to beat.
    drop(session);
    let other = server.session().await.expect("a session").beating(BEAT);
    fleet.store.set(Mode::Works);
    until("the store counts as well again", || async {
        let status = fleet.admin.status().await.expect("a status");
        (status.store == "ok").then_some(())
    })
    .await;
    fleet.admin.label("s1", "a", "b").await.expect("labelled");
    fleet
        .server("s2")
        .enroll(&token)
        .await
        .expect("the token kept its use")
        .issued();
    assert_eq!(fleet.admin.verify().await.faults, [""; 0]);
    assert!(other.is_open());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_refuses_changes_in_one_line_and_recovers() {
    writes_are_refused_and_reads_go_on(Mode::Full, &["no space left", "free space"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_store_refuses_changes_in_one_line_and_recovers() {
    writes_are_refused_and_reads_go_on(Mode::ReadOnly, &["read-only", "writable"]).await;
}

/// scenario: 14 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_may_not_grow_is_full_and_nothing_accepted_is_lost() {
    let mut fleet = Fleet::builder().store_limit(400 << 10).start().await;
    fleet.enrolled("s1").await;
    let mut accepted = 0;
    let value = "v".repeat(60);
    let refused = loop {
        match fleet
            .admin
            .label("s1", &format!("key{accepted}"), &value)
            .await
        {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
        assert!(accepted < 5_000, "never full");
    };
    assert_eq!(refused.code(), Code::Unavailable);
    says(
        refused.message(),
        &["node.update", "no space left", "coordinator.db"],
    );
    fleet.restart().await;
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.labels.len(), accepted);
    assert_eq!(fleet.admin.verify().await.faults, [""; 0]);
}

#[tokio::test]
async fn a_second_coordinator_on_the_same_file_says_who_has_it() {
    let fleet = Fleet::start().await;
    let clock = Arc::new(SystemClock::new());
    let refused = app::start(fleet.settings().clone(), clock)
        .await
        .expect_err("in use");
    let pid = format!("pid {}", std::process::id());
    says(
        &format!("{refused:#}"),
        &["in use by another coordinator", &pid, "coordinator.db"],
    );
    // The first one does not notice.
    fleet.enrolled("s1").await;
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named_and_the_store_is_let_go() {
    let first = Fleet::start().await;
    let mut second = Fleet::start().await;
    second.stop().await;
    let mut settings = second.settings().clone();
    settings.listen = first.dial.address;
    let clock = Arc::new(SystemClock::new());
    let refused = app::start(settings, clock).await.expect_err("in use");
    let address = first.dial.address.to_string();
    says(
        &format!("{refused:#}"),
        &[&address, "another program listens there", "ss -ltnp"],
    );
    second.start_again().await;
    second
        .admin
        .status()
        .await
        .expect("it runs on its own port");
}
