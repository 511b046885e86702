//! Rollouts over the wire: who is let through, and what a refusal leaves behind.

use h8lio_proto::v1;
use h8lio_proto::v1::OperatorRole;
use h8lio_proto::v1::rollout_service_client::RolloutServiceClient;
use h8lio_tests::harness::{Fleet, Refused as _, change, says};
use serde_json::{Value, json};
use tonic::Code;

const MARCH: &str = r#"{"name":"march","target":"security","selector":"all","failureThreshold":1}"#;

fn create() -> v1::CreateRolloutRequest {
    v1::CreateRolloutRequest {
        spec: MARCH.as_bytes().to_vec(),
        dry_run: false,
        change: change("CVE-2026-1"),
    }
}

#[tokio::test]
async fn operators_reach_rollouts_and_a_refusal_is_on_record_and_creates_nothing() {
    let fleet = Fleet::start().await;
    let viewer = fleet
        .admin
        .create_operator("vera", OperatorRole::Viewer, None)
        .await
        .expect("made");
    let mut calls = viewer.rollouts().await;
    let denied = calls.create_rollout(create()).await.refused();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let refused = fleet
        .admin
        .rollouts()
        .await
        .create_rollout(create())
        .await
        .refused();
    assert_eq!(refused.code(), Code::InvalidArgument);
    says(
        refused.message(),
        &["no enrolled node is selected by all", "no node is enrolled"],
    );
    let entries = fleet.admin.audit().await;
    let asked = entries.iter().filter(|e| e.action == "rollout.create");
    let targets: Vec<_> = asked.map(|e| e.target.as_str()).collect();
    assert_eq!(targets, ["rollout/march", "rollout/march"]);
    let list = calls.list_rollouts(v1::ListRolloutsRequest {}).await;
    assert_eq!(list.expect("a list").into_inner().rollouts.len(), 0);
}

#[tokio::test]
async fn a_node_is_not_let_through_to_rollouts() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let mut calls = RolloutServiceClient::new(server.channel().await);
    let refused = calls.create_rollout(create()).await.refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
    says(refused.message(), &["operator certificate"]);
    let refused = calls
        .list_rollouts(v1::ListRolloutsRequest {})
        .await
        .refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// MARCH with other parts.
fn march_with(parts: &Value) -> v1::CreateRolloutRequest {
    let mut spec: Value = serde_json::from_str(MARCH).expect("JSON");
    let spec = spec.as_object_mut().expect("an object");
    spec.extend(parts.as_object().expect("an object").clone());
    v1::CreateRolloutRequest {
        spec: serde_json::to_vec(spec).expect("JSON"),
        ..create()
    }
}

fn window(cron: &str, zone: &str) -> Value {
    json!({ "windows": [{ "cron": cron, "lasts": "PT2H", "zone": zone }] })
}

/// What needs a fleet that was looked at (an unknown package, two rollouts that want one node) is
/// tested at the service itself; a circle among constraints is refused with the configuration.
#[tokio::test]
async fn each_thing_that_cannot_be_is_one_clear_error_over_the_wire_and_creates_nothing() {
    let fleet = Fleet::start().await;
    let mut calls = fleet.admin.rollouts().await;
    let cases = [
        (json!({ "selector": "" }), "the selection is empty"),
        (json!({ "selector": "rack=" }), "the selection is empty"),
        (
            window("0 0 31 6 *", "Europe/Paris"),
            "the window \"0 0 31 6 *\" in Europe/Paris never opens",
        ),
        (
            window("0 22 * * *", "Moon/Base"),
            "time zone \"Moon/Base\" does not exist",
        ),
        (
            json!({ "deadline": "2001-01-01T00:00:00Z" }),
            "the deadline 2001-01-01T00:00:00Z has passed",
        ),
        (json!({ "target": "packages:" }), "invalid package name"),
    ];
    for (parts, told) in cases {
        for dry_run in [true, false] {
            let request = v1::CreateRolloutRequest {
                dry_run,
                ..march_with(&parts)
            };
            let refused = calls.create_rollout(request).await.refused();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            says(refused.message(), &[told]);
            assert_eq!(refused.message().lines().count(), 1, "{refused}");
        }
    }
    let list = calls.list_rollouts(v1::ListRolloutsRequest {}).await;
    assert_eq!(list.expect("a list").into_inner().rollouts.len(), 0);
    // The name was not used up by any of them.
    let refused = calls.create_rollout(create()).await.refused();
    says(refused.message(), &["no node is enrolled"]);
}
