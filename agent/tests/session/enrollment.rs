//! Join tokens.

use h8lio_agent::identity::enroll::EnrollError;

use super::coordinator::{Heard, Running, Script};
use super::rig::{Rig, token};

fn keys(coordinator: &Running) -> Vec<Vec<u8>> {
    let key = |h: &Heard| match h {
        Heard::Enroll { key } => Some(key.clone()),
        _ => None,
    };
    coordinator.heard().iter().filter_map(key).collect()
}

#[tokio::test]
async fn a_server_that_waits_for_approval_polls_with_the_same_key() {
    let script = Script {
        pending: 2,
        ..Script::default()
    };
    let coordinator = Running::start("test", script).await;
    Rig::new().enroll(&coordinator).await.expect("enrolled");
    let keys = keys(&coordinator);
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|k| *k == keys[0]));
}

#[tokio::test]
async fn enrolling_again_in_the_same_fleet_changes_nothing() {
    let coordinator = Running::start("test", Script::default()).await;
    let rig = Rig::new();
    assert!(!rig.enroll(&coordinator).await.expect("enrolled").already);
    assert!(rig.enroll(&coordinator).await.expect("enrolled").already);
    assert_eq!(
        keys(&coordinator).len(),
        1,
        "the coordinator was not asked again"
    );
}

#[tokio::test]
async fn a_token_of_another_fleet_needs_replace() {
    let (a, b) = (
        Running::start("a", Script::default()).await,
        Running::start("b", Script::default()).await,
    );
    let rig = Rig::new();
    rig.enroll(&a).await.expect("enrolled");
    let error = rig.enroll(&b).await.expect_err("refused");
    assert!(matches!(error, EnrollError::OtherFleet { .. }));
    assert!(
        error.to_string().contains("belongs to fleet a as s1"),
        "{error}"
    );
    let moved = rig
        .enroll_with(&token(&b, "t1"), true)
        .await
        .expect("replaced");
    assert_eq!(moved.fleet.as_str(), "b");
}

#[tokio::test]
async fn a_token_that_is_not_known_is_refused_with_the_coordinators_words() {
    let coordinator = Running::start("test", Script::default()).await;
    let error = Rig::new()
        .enroll_with(&token(&coordinator, "t2"), false)
        .await
        .expect_err("refused");
    let EnrollError::Authority(cause) = error else {
        panic!("{error:?}");
    };
    assert!(
        cause.to_string().contains("the join token is not known"),
        "{cause}"
    );
}

#[tokio::test]
async fn somebody_who_answers_in_the_coordinators_place_learns_nothing() {
    let (real, fake) = (
        Running::start("a", Script::default()).await,
        Running::start("a", Script::default()).await,
    );
    let mut token = token(&real, "t1");
    token.addresses = vec![fake.address.clone()];
    let rig = Rig::new();
    let attempt = rig.enroll_with(&token, false);
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(1), attempt).await;
    assert!(outcome.is_err(), "it goes on trying");
    assert!(fake.heard().is_empty(), "{:?}", fake.heard());
}
