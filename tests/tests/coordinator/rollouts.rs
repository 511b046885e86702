//! Rollouts over the wire: who is let through, and what a refusal leaves behind.

use h8lio_proto::v1;
use h8lio_proto::v1::OperatorRole;
use h8lio_proto::v1::rollout_service_client::RolloutServiceClient;
use h8lio_tests::harness::{Fleet, Refused as _, change, says};
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
