//! Servers that are shut out, for a while or for good.

use std::time::Duration;

use h8lio_proto::v1;
use h8lio_proto::v1::restriction::Kind;
use h8lio_proto::v1::{Admission, Availability};
use h8lio_tests::harness::{Fleet, Refused as _, says};
use tonic::Code;

const BEAT: Duration = Duration::from_millis(200);
/// What the issue promises.
const SOON: Duration = Duration::from_secs(5);

/// scenario: 38 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_cuts_a_live_stream_at_once_and_keeps_the_node_out_until_it_ends() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let bystander = fleet.enrolled("s2").await;
    let other = bystander.session().await.expect("a session").beating(BEAT);
    let mut session = server.session().await.expect("a session").beating(BEAT);
    fleet.admin.ban("s1").await.expect("banned");
    let end = tokio::time::timeout(SOON, session.end())
        .await
        .expect("cut within 5 s");
    assert_eq!(end.code(), Code::PermissionDenied);
    says(end.message(), &["banned by admin", "it misbehaves"]);
    let refused = server.session().await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    says(
        refused.message(),
        &[
            "s1",
            "banned by admin",
            "it misbehaves",
            "h8lctl node unban",
        ],
    );
    says(
        server.renew_and_lose().await.refused().message(),
        &["banned"],
    );
    assert!(other.is_open());
    let node = fleet
        .admin
        .sees("s1", "not failed", |n| {
            n.availability_reason.contains("not failed")
        })
        .await;
    assert_eq!(node.availability(), Availability::Suspect);
    says(&node.availability_reason, &["banned by admin"]);
    // Twice as long as silence takes to become an alert.
    let settings = fleet.settings().session.timing();
    tokio::time::sleep(settings.unreachable_after * 2).await;
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.availability(), Availability::Suspect, "{node:?}");
    assert_eq!(fleet.admin.events_of("s1", "NodeUnreachable").await, []);
    fleet.admin.unban("s1").await.expect("unbanned");
    let _back = server.session().await.expect("let in again").beating(BEAT);
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

/// scenario: 35, 38 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_and_its_end_leave_a_quarantine_as_it_was() {
    let fleet = Fleet::start().await;
    let original = fleet.enrolled("s1").await;
    let there = original.session().await.expect("a session").beating(BEAT);
    original.copy().session().await.refused();
    drop(there);
    let is = |node: &v1::Node| node.restriction.as_ref().map(v1::Restriction::kind);
    assert_eq!(is(&fleet.admin.node("s1").await), Some(Kind::Quarantined));
    fleet.admin.ban("s1").await.expect("banned");
    let node = fleet.admin.node("s1").await;
    assert_eq!(is(&node), Some(Kind::Banned));
    let cloned = |c: &v1::Condition| c.r#type == "IdentityCloned";
    assert!(
        node.conditions.iter().any(cloned),
        "it shows beside the ban"
    );
    let refused = fleet.admin.approve("s1").await.refused();
    says(refused.message(), &["s1 is banned", "h8lctl node unban s1"]);
    fleet.admin.unban("s1").await.expect("unbanned");
    assert_eq!(is(&fleet.admin.node("s1").await), Some(Kind::Quarantined));
    says(
        original.renew_and_lose().await.refused().message(),
        &["quarantined", "no certificate"],
    );
    let refused = fleet.admin.unban("s1").await.refused();
    says(refused.message(), &["quarantined, not banned"]);
    let node = fleet.admin.approve("s1").await.expect("approved");
    assert_eq!(is(&node), None);
}

/// scenario: 38 (integration)
#[tokio::test]
async fn a_stream_that_was_opened_before_the_ban_and_speaks_after_it_is_refused() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let mut stream = server.stream().await.expect("a stream");
    fleet.admin.ban("s1").await.expect("banned");
    let refused = stream.greet(server.hello()).await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    says(refused.message(), &["banned", "it misbehaves"]);
    assert_eq!(fleet.admin.status().await.expect("a status").sessions, 0);
}

/// scenario: 38 (integration)
#[tokio::test]
async fn a_banned_node_cannot_reattest_nor_be_approved_nor_enroll_with_its_key() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut server = fleet.server("s1");
    server.enroll(&token).await.expect("answered").issued();
    fleet.admin.ban("s1").await.expect("banned");
    says(
        server.reattest().await.refused().message(),
        &["banned", "no certificate"],
    );
    says(
        server.enroll(&token).await.refused().message(),
        &["banned", "no certificate"],
    );
    let refused = fleet.admin.approve("s1").await.refused();
    says(refused.message(), &["s1 is banned", "h8lctl node unban s1"]);
}

/// scenario: 38 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decommissioning_cuts_the_stream_and_is_final_and_frees_the_name() {
    let fleet = Fleet::start().await;
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut server = fleet.server("s1");
    server.enroll(&token).await.expect("answered").issued();
    let mut session = server.session().await.expect("a session").beating(BEAT);
    let gone = fleet
        .admin
        .decommission("s1")
        .await
        .expect("decommissioned");
    assert_eq!(gone.admission(), Admission::Decommissioned);
    let end = tokio::time::timeout(SOON, session.end())
        .await
        .expect("cut within 5 s");
    assert_eq!(end.code(), Code::PermissionDenied);
    for refused in [
        server.session().await.refused(),
        server.renew_and_lose().await.refused(),
        server.reattest().await.refused(),
        server.enroll(&token).await.refused(),
    ] {
        says(
            refused.message(),
            &["s1", "decommissioned", "never accepted again"],
        );
    }
    for refused in [
        fleet.admin.approve(&gone.id).await.refused(),
        fleet.admin.ban(&gone.id).await.refused(),
    ] {
        says(
            refused.message(),
            &["decommissioned", "enroll the server anew"],
        );
    }
    // The same server with a fresh key is a new node of the same name.
    fleet
        .enrolled("s1")
        .await
        .session()
        .await
        .expect("a session");
}

#[tokio::test]
async fn decommissioning_a_node_again_does_not_free_the_name_of_its_successor() {
    let mut fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let old = fleet
        .admin
        .decommission("s1")
        .await
        .expect("decommissioned");
    let successor = fleet.enrolled("s1").await;
    fleet
        .admin
        .decommission(&old.id)
        .await
        .expect("it may be repeated");
    let id = fleet.admin.node("s1").await.id;
    // What counts is what the store says: a coordinator that starts anew reads it from there.
    fleet.restart().await;
    assert_eq!(fleet.admin.node("s1").await.id, id);
    let token = fleet.token().expecting_serial("S1").create().await;
    let mut twin = fleet.server("s1");
    says(
        twin.enroll(&token).await.refused().message(),
        &["s1 exists"],
    );
    drop(successor);
    let key = h8lio_coordinator::registry::records::name_key(&"s1".parse().expect("a name"));
    let stored = fleet
        .running()
        .services
        .store
        .get(&key)
        .await
        .expect("read");
    assert_eq!(stored.expect("the name is taken").value, id.as_bytes());
}

#[tokio::test]
async fn what_does_not_exist_is_said_with_where_to_look() {
    let fleet = Fleet::start().await;
    let refused = fleet.admin.ban("nobody").await.refused();
    assert_eq!(refused.code(), Code::NotFound);
    says(
        refused.message(),
        &["node nobody is not known", "h8lctl node list"],
    );
    let request = v1::BanNodeRequest {
        node: "nobody".to_owned(),
        change: None,
    };
    let refused = fleet.admin.nodes().await.ban_node(request).await.refused();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
