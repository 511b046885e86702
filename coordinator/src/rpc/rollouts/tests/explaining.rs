//! What blocks it, and may these go down together.

use h8lio_model::order::{Running, SafePoint};
use h8lio_model::rollout::view::{ExplanationView, ObjectionView};
use h8lio_proto::v1;
use h8lio_proto::v1::explain_request::About;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use tonic::{Code, Status};

use super::desk::{Desk, as_admin, id, refused, spec, t0};

async fn explain(desk: &Desk, about: About) -> Result<ExplanationView, Status> {
    let about = Some(about);
    let answer = desk
        .server
        .explain(as_admin(v1::ExplainRequest { about }))
        .await?;
    Ok(serde_json::from_slice(&answer.into_inner().explanation).expect("an explanation"))
}

async fn what_if(desk: &Desk, nodes: &[&str]) -> Result<Vec<ObjectionView>, Status> {
    let nodes = nodes.iter().map(|n| (*n).to_owned()).collect();
    let answer = desk
        .server
        .what_if(as_admin(v1::WhatIfRequest { nodes }))
        .await?;
    let objections = answer.into_inner().objections;
    let read = objections
        .iter()
        .map(|o| serde_json::from_slice(o).expect("an objection"));
    Ok(read.collect())
}

fn node(n: &str) -> About {
    About::Node(n.to_owned())
}

fn rollout(name: &str) -> About {
    About::Rollout(name.to_owned())
}

#[tokio::test]
async fn a_node_and_a_rollout_say_what_holds_them_since_when_and_what_would_end_it() {
    let mut desk = Desk::new().await;
    let told = explain(&desk, node("s2")).await.expect("words");
    assert_eq!(
        told.about,
        "node s2 was not planned for yet; the next plan says what holds it"
    );
    desk.create(&spec("march")).await.expect("created");
    let told = explain(&desk, rollout("march")).await.expect("words");
    assert!(
        told.about.contains("rollout march was not planned for yet"),
        "{told:?}"
    );
    desk.round();
    let first = desk.in_slot();
    let second = if first == 2 { 3 } else { 2 };
    for name in [format!("s{second}"), id(second).to_string()] {
        let told = explain(&desk, node(&name)).await.expect("words");
        assert!(
            told.about
                .starts_with(&format!("node s{second} waits in rollout march"))
        );
        let reason = &told.reasons[0];
        assert!(reason.what.contains(&format!("s{first}")), "{reason:?}");
        assert_eq!(reason.since, desk.world.now);
        assert!(!reason.unblocked_by.is_empty());
    }
    let told = explain(&desk, rollout("march")).await.expect("words");
    assert!(
        told.about.starts_with("rollout march is running"),
        "{told:?}"
    );
    assert!(told.expected.is_some() && told.because.is_some());
}

#[tokio::test]
async fn what_a_running_step_says_of_itself_is_told() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    let n = desk.in_slot();
    let attempt = desk.attempt(n);
    let says = "waits: dpkg (pid 7) holds /var/lib/dpkg/lock";
    desk.orders(n).running = Some(Running {
        attempt,
        step: "preflight".into(),
        safe_point: SafePoint::Abort,
        since: t0(),
        doing: Some(says.into()),
    });
    desk.round();
    let told = explain(&desk, node(&format!("s{n}"))).await.expect("words");
    let what = &told.reasons.first().expect("a reason").what;
    assert_eq!(what, &format!("its attempt goes on (preflight): {says}"));
}

#[tokio::test]
async fn a_node_that_nothing_holds_is_told_so() {
    let mut desk = Desk::new().await;
    desk.round();
    let told = explain(&desk, node("s2")).await.expect("words");
    let words = "node s2 takes part in no rollout that is going on, so nothing holds it";
    assert_eq!((told.about.as_str(), told.reasons.len()), (words, 0));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_explained() {
    let desk = Desk::new().await;
    let (code, text) = refused(explain(&desk, node("s99")).await);
    assert_eq!(code, Code::NotFound);
    assert!(text.contains("node s99 is not known"), "{text}");
    let (code, text) = refused(explain(&desk, rollout("april")).await);
    assert_eq!(code, Code::NotFound);
    assert!(text.contains("no rollout called \"april\""), "{text}");
    let nothing = desk
        .server
        .explain(as_admin(v1::ExplainRequest { about: None }));
    assert_eq!(refused(nothing.await).0, Code::InvalidArgument);
}

#[tokio::test]
async fn one_node_may_go_and_two_may_not_and_the_constraint_is_named() {
    let mut desk = Desk::new().await;
    desk.round();
    assert_eq!(what_if(&desk, &["s1"]).await.expect("words"), []);
    let against = what_if(&desk, &["s1", &id(2).to_string()])
        .await
        .expect("words");
    assert_eq!(against.len(), 1);
    assert_eq!(against[0].node.as_ref().map(|n| n.as_str()), Some("s2"));
    assert!(
        against[0].what.contains("constraint undeclared"),
        "{against:?}"
    );
    assert!(!against[0].unblocked_by.is_empty());
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let mut desk = Desk::new().await;
    let (code, text) = refused(what_if(&desk, &[]).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains("name at least one"), "{text}");
    assert_eq!(
        refused(what_if(&desk, &["s1", "s99"]).await).0,
        Code::NotFound
    );
    desk.world.inventory.nodes.remove(&id(3));
    desk.publish();
    let (code, text) = refused(what_if(&desk, &["s3"]).await);
    assert_eq!(code, Code::FailedPrecondition);
    assert!(
        text.starts_with("node s3 is not in what plans are made from yet"),
        "{text}"
    );
    desk.world.frozen = Some("it started just now".to_owned());
    desk.publish();
    let (_, text) = refused(what_if(&desk, &["s3"]).await);
    assert!(
        text.starts_with("the coordinator is frozen: it started just now; node s3"),
        "{text}"
    );
}

#[tokio::test]
async fn a_frozen_coordinator_says_so_before_anything_else() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    // Of a report from before the freeze, too.
    desk.world.frozen = Some("it is behind its agents".to_owned());
    desk.publish();
    for planned in [false, true] {
        if planned {
            desk.round();
        }
        for about in [node("s1"), rollout("march")] {
            let told = explain(&desk, about).await.expect("words");
            assert!(
                told.reasons[0].what.contains("is frozen: it is behind"),
                "{told:?}"
            );
            let frozen = told
                .reasons
                .iter()
                .filter(|r| r.on["is"] == "frozenCoordinator");
            assert_eq!(frozen.count(), 1);
            assert!(!told.about.contains(&id(1).to_string()), "{told:?}");
        }
        let against = what_if(&desk, &["s1"]).await.expect("words");
        assert_eq!(against[0].node, None);
        assert!(against[0].what.contains("is frozen"), "{against:?}");
    }
}
