//! Operators: their roles, and the end of their access.

use std::time::Duration;

use h8lio_coordinator::clock::Clock as _;
use h8lio_proto::v1;
use h8lio_proto::v1::OperatorRole;
use h8lio_tests::harness::{Fleet, Mode, Refused as _, dial, says, soon, until};
use tonic::Code;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing_and_the_attempt_is_on_record() {
    let fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let viewer = fleet
        .admin
        .create_operator("vera", OperatorRole::Viewer, None)
        .await
        .expect("made");
    assert_eq!(viewer.status().await.expect("a status").caller, "vera");
    assert_eq!(viewer.node("s1").await.name, "s1");
    let before = fleet.admin.audit().await.len();
    for (refused, least) in [
        (viewer.ban("s1").await.refused(), "approver"),
        (viewer.label("s1", "a", "b").await.refused(), "operator"),
        (viewer.revoke_operator("admin").await.refused(), "admin"),
    ] {
        assert_eq!(refused.code(), Code::PermissionDenied);
        says(
            refused.message(),
            &[
                "operator vera has the role viewer",
                &format!("needs {least}"),
            ],
        );
    }
    let entries = fleet.admin.audit().await;
    assert_eq!(entries.len(), before + 3);
    for entry in &entries[before..] {
        assert_eq!(entry.actor, "operator/vera");
        assert!(entry.refused.contains("has the role viewer"), "{entry:?}");
    }
    assert_eq!(fleet.admin.node("s1").await.restriction, None);
}

#[tokio::test]
async fn an_operator_may_label_and_not_ban_an_approver_may_ban_and_make_no_operators() {
    let fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let operator = fleet
        .admin
        .create_operator("olaf", OperatorRole::Operator, None)
        .await
        .expect("made");
    operator.label("s1", "a", "b").await.expect("labelled");
    assert_eq!(
        operator.ban("s1").await.refused().code(),
        Code::PermissionDenied
    );
    let approver = fleet
        .admin
        .create_operator("anna", OperatorRole::Approver, None)
        .await
        .expect("made");
    approver.ban("s1").await.expect("banned");
    let refused = approver
        .create_operator("x", OperatorRole::Viewer, None)
        .await
        .refused();
    says(
        refused.message(),
        &["operator anna has the role approver", "needs admin"],
    );
}

#[tokio::test]
async fn a_replaced_certificate_stops_working_and_says_what_to_do() {
    let fleet = Fleet::start().await;
    let older = fleet
        .admin
        .create_operator("olaf", OperatorRole::Operator, None)
        .await;
    let older = older.expect("made");
    let newer = fleet
        .admin
        .create_operator("olaf", OperatorRole::Operator, None)
        .await;
    newer.expect("made").status().await.expect("a status");
    let refused = older.status().await.refused();
    assert_eq!(refused.code(), Code::PermissionDenied);
    says(
        refused.message(),
        &["olaf", "replaced", "import the newer context"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_operator_is_out_at_once_on_open_connections_too() {
    let fleet = Fleet::start().await;
    let olaf = fleet
        .admin
        .create_operator("olaf", OperatorRole::Operator, None)
        .await;
    let olaf = olaf.expect("made");
    let mut open = olaf.fleet().await;
    let follow = open.follow_events(v1::FollowEventsRequest::default()).await;
    let mut events = follow.expect("followed").into_inner();
    fleet.admin.revoke_operator("olaf").await.expect("revoked");
    let refused = open.get_status(v1::GetStatusRequest {}).await.refused();
    says(
        refused.message(),
        &["olaf", "revoked", "h8lctl operator create"],
    );
    // Something happens, and the one who was revoked does not see it.
    fleet.enrolled("s1").await;
    let end = loop {
        match soon("the end of the stream", events.message()).await {
            Ok(Some(e)) => {
                let event = e.event.expect("an event");
                assert_ne!(event.reason, "NodeEnrolled", "seen by a revoked operator");
            }
            Ok(None) => panic!("ended without a word"),
            Err(status) => break status,
        }
    };
    says(end.message(), &["olaf", "revoked"]);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let fleet = Fleet::start().await;
    let refused = fleet.admin.revoke_operator("admin").await.refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    says(
        refused.message(),
        &["admin is the last admin", "h8lctl operator create"],
    );
    let refused = fleet
        .admin
        .create_operator("admin", OperatorRole::Viewer, None)
        .await
        .refused();
    says(refused.message(), &["the last admin"]);
    let entries = fleet.admin.audit().await;
    assert!(
        entries
            .last()
            .is_some_and(|e| e.refused.contains("the last admin")),
        "{entries:?}"
    );
    let second = fleet
        .admin
        .create_operator("ada", OperatorRole::Admin, None)
        .await;
    second
        .expect("made")
        .revoke_operator("admin")
        .await
        .expect("not the last any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_who_revoke_each_other_at_once_leave_one() {
    let fleet = Fleet::start().await;
    let ada = fleet
        .admin
        .create_operator("ada", OperatorRole::Admin, None)
        .await
        .expect("made");
    let before = fleet.admin.audit().await.len();
    // Both have been judged when the first is written.
    fleet.store.set(Mode::Stalls);
    let (clock, health) = (&fleet.clock, &fleet.running().services.health);
    let let_go = async {
        until("a write that waits", || async {
            (health.stalled_for(clock.mono()) > Duration::from_millis(500)).then_some(())
        })
        .await;
        fleet.store.set(Mode::Works);
    };
    let (first, second, ()) = tokio::join!(
        fleet.admin.revoke_operator("ada"),
        ada.revoke_operator("admin"),
        let_go
    );
    let done = [first.is_ok(), second.is_ok()];
    assert!(done[0] != done[1], "one of the two: {done:?}");
    let (left, gone) = if done[0] {
        (&fleet.admin, &ada)
    } else {
        (&ada, &fleet.admin)
    };
    assert_eq!(left.audit().await.len(), before + 1);
    says(gone.status().await.refused().message(), &["was revoked"]);
    left.create_operator("eve", OperatorRole::Admin, None)
        .await
        .expect("the one who is left is an admin");
}

#[tokio::test]
async fn an_admin_whose_certificate_is_over_does_not_count() {
    let fleet = Fleet::start().await;
    let ttl = Some(DAY);
    fleet
        .admin
        .create_operator("ada", OperatorRole::Admin, ttl)
        .await
        .expect("made");
    fleet.pass(DAY * 2);
    let refused = fleet.admin.revoke_operator("admin").await.refused();
    says(refused.message(), &["admin is the last admin"]);
}

#[tokio::test]
async fn an_expired_operator_is_told_so_by_the_handshake() {
    let fleet = Fleet::start().await;
    let olaf = fleet
        .admin
        .create_operator("olaf", OperatorRole::Operator, Some(DAY))
        .await;
    let olaf = olaf.expect("made");
    let mut open = olaf.fleet().await;
    open.get_status(v1::GetStatusRequest {})
        .await
        .expect("a status");
    fleet.pass(DAY * 2);
    // On a connection from before.
    let refused = open.get_status(v1::GetStatusRequest {}).await.refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
    says(
        refused.message(),
        &["olaf", "expired at", "h8lctl operator create"],
    );
    // And on a new one.
    let told = match dial(&olaf.dial, Some(&olaf.identity)).await {
        Err(e) => e.to_string(),
        Ok(channel) => {
            let mut calls = v1::fleet_service_client::FleetServiceClient::new(channel);
            let refused = calls.get_status(v1::GetStatusRequest {}).await.refused();
            h8lio_tls::cause::explain(&refused)
        }
    };
    says(&told, &["our certificate has expired"]);
}

#[tokio::test]
async fn a_change_without_a_reason_is_refused() {
    let fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let mut nodes = fleet.admin.nodes().await;
    for change in [None, Some(v1::Change::default())] {
        let request = v1::BanNodeRequest {
            node: "s1".to_owned(),
            change,
        };
        let refused = nodes.ban_node(request).await.refused();
        assert_eq!(refused.code(), Code::InvalidArgument);
        says(refused.message(), &["reason"]);
    }
}
