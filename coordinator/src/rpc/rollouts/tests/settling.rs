//! Acknowledging ends and allowing another try.

use h8lio_model::order::{Outcome, Running, SafePoint};
use h8lio_model::plan::{NodeState, RolloutState};
use h8lio_proto::v1;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use tonic::{Code, Status};
use uuid::Uuid;

use super::desk::{Desk, as_admin, change, id, refused, spec, t0};

async fn acknowledge(
    desk: &Desk,
    rollout: &str,
    n: u32,
    attempt: &str,
    outcome: &str,
) -> Result<(), Status> {
    let message = v1::AcknowledgeAttemptRequest {
        rollout: rollout.to_owned(),
        node: format!("s{n}"),
        attempt: attempt.to_owned(),
        outcome: outcome.to_owned(),
        change: change("looked at it"),
    };
    let answer = desk.server.acknowledge_attempt(as_admin(message)).await;
    answer.map(drop)
}

async fn retry(desk: &Desk, rollout: &str, node: &str) -> Result<(), Status> {
    let message = v1::RetryNodeRequest {
        rollout: rollout.to_owned(),
        node: node.to_owned(),
        change: change("the link is mended"),
    };
    desk.server.retry_node(as_admin(message)).await.map(drop)
}

/// A rollout with one node in its slot.
async fn begun() -> (Desk, u32) {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    let n = desk.in_slot();
    (desk, n)
}

fn other(n: u32) -> u32 {
    if n == 1 { 2 } else { 1 }
}

#[tokio::test]
async fn a_kept_slot_ends_when_a_person_has_looked_and_the_node_may_try_again() {
    let (mut desk, n) = begun().await;
    desk.ends(n, Outcome::RolledBack, true);
    let view = desk.show("march").await;
    assert_eq!(view.state, Some(RolloutState::Halted));
    let node = view.in_slots().next().expect("a kept slot");
    let slot = node.slot.as_ref().expect("a slot");
    assert_eq!(
        (slot.outcome, slot.attempt),
        (Some(Outcome::RolledBack), desk.attempt(n))
    );
    assert_eq!(slot.message.as_deref(), Some("bond0 lost its carrier"));

    let name = format!("s{n}");
    let (code, text) = refused(retry(&desk, "march", &name).await);
    assert_eq!(code, Code::FailedPrecondition);
    let told = format!(
        "the slot of node {name} in rollout march is kept, because its attempt ended as rolledBack; \
         look at the node, then: h8lctl rollout acknowledge march --node {name} --outcome rolledBack"
    );
    assert_eq!(text, told);

    acknowledge(&desk, "march", n, "", "rolledBack")
        .await
        .expect("looked at");
    acknowledge(&desk, "march", n, "", "rolledBack")
        .await
        .expect("harmless");
    let record = desk
        .maintenance()
        .rollouts
        .get(&"march".parse().expect("a name"));
    assert_eq!(record.expect("stored").record.control.acknowledged.len(), 1);
    desk.round();
    assert!(
        !desk.world.plan.content().slots.contains_key(&id(n)),
        "the slot ended"
    );
    acknowledge(&desk, "march", n, "", "rolledBack")
        .await
        .expect("still harmless");

    retry(&desk, "march", &id(n).to_string())
        .await
        .expect("once more, by id");
    desk.round();
    let state = |view: h8lio_model::rollout::view::RolloutView| {
        let node = view.nodes.into_iter().find(|node| node.id == id(n));
        node.expect("the node").state
    };
    let now = state(desk.show("march").await);
    assert!(
        matches!(now, NodeState::Waiting | NodeState::InSlot),
        "{now:?}"
    );

    let actions: Vec<_> = desk
        .audited()
        .await
        .into_iter()
        .map(|(a, _, r)| (a, r))
        .collect();
    let expected = [
        ("rollout.create", false),
        ("rollout.retry", true),
        ("rollout.acknowledge", false),
        ("rollout.acknowledge", false),
        ("rollout.acknowledge", false),
        ("rollout.retry", false),
    ];
    assert_eq!(actions, expected.map(|(a, r)| (a.to_owned(), r)));
}

#[tokio::test]
async fn an_end_is_acknowledged_as_it_is_now_and_not_otherwise() {
    let (mut desk, n) = begun().await;
    let name = format!("s{n}");
    let attempt = desk.attempt(n);
    let (code, text) = refused(acknowledge(&desk, "march", n, "", "failed").await);
    assert_eq!(code, Code::FailedPrecondition);
    let told = format!(
        "attempt {attempt} on node {name} has no reported end; wait for it, then look at it"
    );
    assert_eq!(text, told);
    desk.orders(n).running = Some(Running {
        attempt,
        step: "apply".into(),
        safe_point: SafePoint::Finish,
        since: t0(),
        doing: None,
    });
    desk.round();
    let (_, text) = refused(acknowledge(&desk, "march", n, "", "failed").await);
    assert!(text.contains("no reported end (it is at apply)"), "{text}");
    let view = desk.show("march").await;
    let slot = view
        .in_slots()
        .next()
        .and_then(|n| n.slot.clone())
        .expect("a slot");
    assert_eq!(slot.step.map(|s| s.name).as_deref(), Some("apply"));

    desk.orders(n).running = None;
    desk.ends(n, Outcome::Failed, false);
    let (_, text) = refused(acknowledge(&desk, "march", n, "", "rolledBack").await);
    let told = format!(
        "attempt {attempt} on node {name} ended as failed, not as rolledBack; look again, then \
         acknowledge it with --outcome failed"
    );
    assert_eq!(text, told);
    let stale = Uuid::from_u128(9).to_string();
    let (_, text) = refused(acknowledge(&desk, "march", n, &stale, "failed").await);
    let told = format!(
        "the slot of node {name} is for attempt {attempt}, not for {stale}; look at how that one \
         ended: h8lctl rollout show march"
    );
    assert_eq!(text, told);
    let attempt = attempt.to_string();
    acknowledge(&desk, "march", n, &attempt, "failed")
        .await
        .expect("as it is");
}

#[tokio::test]
async fn a_node_that_lost_its_ledger_is_acknowledged_as_unknown() {
    let (mut desk, n) = begun().await;
    let has_ledger = desk.world.plan.content().slots[&id(n)].ledger;
    desk.orders(n).ledger = h8lio_model::order::LedgerId(Uuid::from_u128(999));
    desk.round();
    assert!(has_ledger.is_some(), "the ticket was for a ledger");
    let (_, text) = refused(acknowledge(&desk, "march", n, "", "done").await);
    assert!(text.contains("ended as unknown, not as done"), "{text}");
    acknowledge(&desk, "march", n, "", "unknown")
        .await
        .expect("looked at");
    desk.round();
    assert!(!desk.world.plan.content().slots.contains_key(&id(n)));
}

#[tokio::test]
async fn a_node_that_left_the_fleet_in_its_slot_is_acknowledged_as_unknown() {
    let (mut desk, n) = begun().await;
    let node = desk.world.inventory.nodes.get_mut(&id(n)).expect("a node");
    node.admission = h8lio_model::lifecycle::Admission::Decommissioned;
    node.orders = None;
    desk.round();
    assert!(desk.world.plan.content().slots.contains_key(&id(n)));
    acknowledge(&desk, "march", n, "", "unknown")
        .await
        .expect("looked at");
    desk.round();
    assert!(!desk.world.plan.content().slots.contains_key(&id(n)));
}

#[tokio::test]
async fn who_has_no_slot_there_has_nothing_to_acknowledge() {
    let (mut desk, n) = begun().await;
    let free = other(n);
    let (_, text) = refused(acknowledge(&desk, "march", free, "", "failed").await);
    let told = format!(
        "node s{free} has no slot in rollout march, where it waits for its turn: there is nothing \
         to acknowledge"
    );
    assert_eq!(text, told);

    desk.create(&spec("later")).await.expect("created");
    desk.round();
    let (_, text) = refused(acknowledge(&desk, "later", n, "", "failed").await);
    let told = format!(
        "the slot of node s{n} belongs to rollout march; its end is acknowledged there: h8lctl \
         rollout acknowledge march --node s{n}"
    );
    assert_eq!(text, told);

    let mut only = spec("only");
    only.selector = format!("name=s{n}").parse().expect("a selector");
    desk.create(&only).await.expect("created");
    desk.round();
    let (_, text) = refused(acknowledge(&desk, "only", free, "", "failed").await);
    assert!(text.contains("takes no part in rollout only"), "{text}");
    let (_, text) = refused(retry(&desk, "only", &format!("s{free}")).await);
    assert!(text.contains("takes no part in rollout only"), "{text}");
}

#[tokio::test]
async fn words_that_name_nothing_are_refused() {
    let (desk, n) = begun().await;
    let (code, text) = refused(acknowledge(&desk, "march", n, "", "fine").await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(
        text.contains("\"fine\" is no outcome of an attempt"),
        "{text}"
    );
    assert!(
        text.ends_with("done, failed, rolledBack, unknown"),
        "{text}"
    );
    let (code, text) = refused(acknowledge(&desk, "march", n, "x", "failed").await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains("\"x\" is no attempt id"), "{text}");
    for result in [
        retry(&desk, "march", "s99").await,
        acknowledge(&desk, "march", 99, "", "failed").await,
        retry(&desk, "april", "s1").await,
        acknowledge(&desk, "april", 1, "", "failed").await,
    ] {
        assert_eq!(refused(result).0, Code::NotFound);
    }
    let refusals = desk
        .audited()
        .await
        .into_iter()
        .filter(|(_, _, refused)| *refused);
    assert_eq!(refusals.count(), 4, "each is on record");
}

#[tokio::test]
async fn only_a_node_that_failed_tries_again() {
    let (mut desk, n) = begun().await;
    let (code, text) = refused(retry(&desk, "march", &format!("s{n}")).await);
    assert_eq!(code, Code::FailedPrecondition);
    let told = format!(
        "node s{n} did not fail in rollout march: it is in its slot; only a node that failed tries \
         again"
    );
    assert_eq!(text, told);
    // A failure that left all as before ends its slot by itself.
    desk.ends(n, Outcome::Failed, true);
    let name = format!("s{n}");
    retry(&desk, "march", &name).await.expect("once more");
    retry(&desk, "march", &name).await.expect("said before");
    let stored = desk
        .maintenance()
        .rollouts
        .get(&"march".parse().expect("a name"));
    let stored = stored.expect("stored");
    assert_eq!(stored.record.control.retries[&id(n)], 1);
    desk.round();
    let view = desk.show("march").await;
    let node = view
        .nodes
        .iter()
        .find(|node| node.id == id(n))
        .expect("the node");
    assert!(!node.state.is_failure(), "{node:?}");
}

#[tokio::test]
async fn a_cancelled_rollout_tries_nothing_again() {
    let (mut desk, n) = begun().await;
    desk.ends(n, Outcome::Failed, true);
    let message = v1::ControlRolloutRequest {
        name: "march".to_owned(),
        act: v1::control_rollout_request::Act::Cancel as i32,
        change: change("enough"),
    };
    desk.server
        .control_rollout(as_admin(message))
        .await
        .expect("cancelled");
    desk.round();
    let (code, text) = refused(retry(&desk, "march", &format!("s{n}")).await);
    assert_eq!(code, Code::FailedPrecondition);
    let told = "rollout march was cancelled by ada, and tries nothing again; create a new one";
    assert_eq!(text, told);
}

#[tokio::test]
async fn a_frozen_coordinator_settles_nothing() {
    let (mut desk, n) = begun().await;
    desk.ends(n, Outcome::Failed, false);
    desk.world.frozen = Some("it is behind its agents".to_owned());
    desk.publish();
    for result in [
        acknowledge(&desk, "march", n, "", "failed").await,
        retry(&desk, "march", &format!("s{n}")).await,
    ] {
        let (code, text) = refused(result);
        assert_eq!(code, Code::FailedPrecondition);
        assert!(
            text.starts_with("the coordinator is frozen: it is behind"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_node_that_waits_because_of_a_hold_of_h8lios_may_be_let_try() {
    let (mut desk, n) = begun().await;
    let free = other(n);
    let name = format!("s{free}");
    let (_, text) = refused(retry(&desk, "march", &name).await);
    assert!(text.contains("did not fail"), "{text}");
    desk.orders(free).holds.push(h8lio_model::order::OwnHold {
        package: "openssl".parse().expect("a name"),
        architecture: None,
        attempt: h8lio_model::order::AttemptId(Uuid::from_u128(7)),
        since: super::desk::t0(),
    });
    desk.round();
    retry(&desk, "march", &name).await.expect("let go");
    let march = "march".parse().expect("a name");
    let stored = desk.maintenance().rollouts.get(&march).expect("stored");
    assert_eq!(stored.record.control.retries[&id(free)], 0);
}
