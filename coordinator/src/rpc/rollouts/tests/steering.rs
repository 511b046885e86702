//! Pause, resume, cancel; and which role each call needs.

use h8lio_model::audit::Outcome as Recorded;
use h8lio_model::operator::OperatorRole;
use h8lio_model::order::Outcome;
use h8lio_model::plan::RolloutState;
use h8lio_model::rollout::view::{RolloutView, WishView};
use h8lio_proto::v1;
use h8lio_proto::v1::control_rollout_request::Act;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use tonic::{Code, Status};

use super::desk::{Desk, as_admin, as_role, change, refused, spec, t0};

async fn control(desk: &Desk, name: &str, act: Act) -> Result<RolloutView, Status> {
    let message = v1::ControlRolloutRequest {
        name: name.to_owned(),
        act: act as i32,
        change: change("lunch"),
    };
    let answer = desk.server.control_rollout(as_admin(message)).await?;
    Ok(serde_json::from_slice(&answer.into_inner().rollout).expect("a view"))
}

/// Requests of the control calls in the audit log.
async fn acts(desk: &Desk) -> Vec<String> {
    let entries = desk.entries().await.into_iter();
    entries
        .filter(|e| e.action == "rollout.control")
        .map(|e| {
            let request: serde_json::Value = serde_json::from_str(&e.request).expect("JSON");
            request["act"].as_str().expect("a word").to_owned()
        })
        .collect()
}

#[tokio::test]
async fn a_rollout_is_paused_resumed_and_cancelled_and_all_of_it_is_on_record() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    let (by, at) = ("ada".to_owned(), t0());
    let paused = control(&desk, "march", Act::Pause).await.expect("paused");
    assert_eq!(paused.wish, WishView::Pause { by: by.clone(), at });
    assert_eq!(
        paused.state,
        Some(RolloutState::Paused),
        "as the next plan has it"
    );
    control(&desk, "march", Act::Pause).await.expect("harmless");
    let resumed = control(&desk, "march", Act::Resume).await.expect("resumed");
    assert_eq!(
        (resumed.wish, resumed.state),
        (WishView::Run, Some(RolloutState::Running))
    );
    let cancelled = control(&desk, "march", Act::Cancel)
        .await
        .expect("cancelled");
    assert_eq!(cancelled.wish, WishView::Cancel { by, at });
    control(&desk, "march", Act::Cancel)
        .await
        .expect("harmless");
    assert_eq!(
        acts(&desk).await,
        ["pause", "pause", "resume", "cancel", "cancel"]
    );
    for act in [Act::Pause, Act::Resume] {
        let (code, text) = refused(control(&desk, "march", act).await);
        assert_eq!(code, Code::FailedPrecondition);
        let told = "rollout march was cancelled by ada, and does not come back; create a new one";
        assert_eq!(text, told);
    }
    let again = desk.restarted().await;
    assert!(matches!(
        again.show("march").await.wish,
        WishView::Cancel { .. }
    ));
}

#[tokio::test]
async fn a_finished_rollout_stays_finished() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    for _ in 0..4 {
        let n = desk.in_slot();
        desk.ends(n, Outcome::Done, false);
    }
    assert_eq!(desk.show("march").await.state, Some(RolloutState::Finished));
    for act in [Act::Cancel, Act::Pause, Act::Resume] {
        let view = control(&desk, "march", act).await.expect("harmless");
        assert_eq!(
            (view.state, view.wish),
            (Some(RolloutState::Finished), WishView::Run)
        );
    }
}

#[tokio::test]
async fn a_rollout_that_is_not_there_and_an_act_that_is_none_are_refused() {
    let desk = Desk::new().await;
    let (code, text) = refused(control(&desk, "April", Act::Pause).await);
    assert_eq!(code, Code::NotFound);
    assert!(
        text.contains("no rollout called \"April\"; `h8lctl rollout list`"),
        "{text}"
    );
    let (code, text) = refused(control(&desk, "march", Act::Unspecified).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains("paused, resumed or cancelled"), "{text}");
    let expected = ("rollout.control".into(), "rollout/April".into(), true);
    assert_eq!(desk.audited().await, [expected]);
    let name = "march".to_owned();
    let asked = desk
        .server
        .get_rollout(as_admin(v1::GetRolloutRequest { name }));
    assert_eq!(refused(asked.await).0, Code::NotFound);
}

/// Every changing call in a role, and what it answered with.
async fn changes(desk: &Desk, role: OperatorRole) -> Vec<(&'static str, Code)> {
    let (rollout, node) = ("march".to_owned(), "s1".to_owned());
    let server = &desk.server;
    let create = server.create_rollout(as_role(
        role,
        v1::CreateRolloutRequest {
            spec: crate::registry::records::write(&spec("march")),
            dry_run: false,
            change: change("r"),
        },
    ));
    let create = create.await.map(drop);
    let try_it = server.create_rollout(as_role(
        role,
        v1::CreateRolloutRequest {
            spec: crate::registry::records::write(&spec("march")),
            dry_run: true,
            change: None,
        },
    ));
    let try_it = try_it.await.map(drop);
    let control = server.control_rollout(as_role(
        role,
        v1::ControlRolloutRequest {
            name: rollout.clone(),
            act: Act::Pause as i32,
            change: change("r"),
        },
    ));
    let control = control.await.map(drop);
    let retry = server.retry_node(as_role(
        role,
        v1::RetryNodeRequest {
            rollout: rollout.clone(),
            node: node.clone(),
            change: change("r"),
        },
    ));
    let retry = retry.await.map(drop);
    let acknowledge = server.acknowledge_attempt(as_role(
        role,
        v1::AcknowledgeAttemptRequest {
            rollout,
            node,
            attempt: String::new(),
            outcome: "failed".to_owned(),
            change: change("r"),
        },
    ));
    let acknowledge = acknowledge.await.map(drop);
    let code = |r: Result<(), Status>| r.map_or_else(|e| e.code(), |()| Code::Ok);
    vec![
        ("create", code(create)),
        ("dry run", code(try_it)),
        ("control", code(control)),
        ("retry", code(retry)),
        ("acknowledge", code(acknowledge)),
    ]
}

#[tokio::test]
async fn each_change_needs_its_role_and_a_refusal_is_on_record() {
    use OperatorRole::{Approver, Operator, Viewer};
    for (role, allowed) in [
        (Viewer, &[][..]),
        (Operator, &["create", "dry run", "control", "retry"]),
        (
            Approver,
            &["create", "dry run", "control", "retry", "acknowledge"],
        ),
    ] {
        let mut desk = Desk::new().await;
        desk.create(&spec("march")).await.expect("created");
        desk.round();
        for (call, code) in changes(&desk, role).await {
            let denied = code == Code::PermissionDenied;
            assert_eq!(!denied, allowed.contains(&call), "{role} {call}: {code:?}");
        }
        let entries = desk.entries().await;
        let denied = entries.iter().filter(
            |e| matches!(&e.outcome, Recorded::Refused { why } if why.contains(role.as_str())),
        );
        // A dry run changes nothing, and is on no record.
        let expected = 4 - allowed.iter().filter(|call| **call != "dry run").count();
        assert_eq!(denied.count(), expected, "{role}");
    }
}

#[tokio::test]
async fn a_viewer_reads_and_a_stranger_does_not() {
    let desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    let server = &desk.server;
    let name = || v1::GetRolloutRequest {
        name: "march".to_owned(),
    };
    let about = || v1::ExplainRequest {
        about: Some(v1::explain_request::About::Node("s1".to_owned())),
    };
    let which = || v1::WhatIfRequest {
        nodes: vec!["s1".to_owned()],
    };
    let viewer = OperatorRole::Viewer;
    server
        .list_rollouts(as_role(viewer, v1::ListRolloutsRequest {}))
        .await
        .expect("a list");
    server
        .get_rollout(as_role(viewer, name()))
        .await
        .expect("a rollout");
    server
        .explain(as_role(viewer, about()))
        .await
        .expect("words");
    server
        .what_if(as_role(viewer, which()))
        .await
        .expect("words");
    use tonic::Request;
    let list = server.list_rollouts(Request::new(v1::ListRolloutsRequest {}));
    assert_eq!(refused(list.await).0, Code::Unauthenticated);
    let get = server.get_rollout(Request::new(name()));
    assert_eq!(refused(get.await).0, Code::Unauthenticated);
    let explain = server.explain(Request::new(about()));
    assert_eq!(refused(explain.await).0, Code::Unauthenticated);
    let what_if = server.what_if(Request::new(which()));
    assert_eq!(refused(what_if.await).0, Code::Unauthenticated);
    let create = server.create_rollout(Request::new(v1::CreateRolloutRequest::default()));
    assert_eq!(refused(create.await).0, Code::Unauthenticated);
    let control = server.control_rollout(Request::new(v1::ControlRolloutRequest::default()));
    assert_eq!(refused(control.await).0, Code::Unauthenticated);
    let looked = server.acknowledge_attempt(Request::new(Default::default()));
    assert_eq!(refused(looked.await).0, Code::Unauthenticated);
    let retry = server.retry_node(Request::new(v1::RetryNodeRequest::default()));
    assert_eq!(refused(retry.await).0, Code::Unauthenticated);
}
