//! Join tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use h8lio_agent::identity::authority::{Authority, AuthorityError, Enrolled, Issued};
use h8lio_agent::identity::dial::TokenAuthority;
use h8lio_agent::identity::enroll::{EnrollError, Progress};
use h8lio_model::token::Claims;
use h8lio_tls::token::JoinToken;
use rcgen::KeyPair;
use tonic::Code;

use super::authority::TestCa;
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
    let error = Rig::new()
        .enroll_with(&token, false)
        .await
        .expect_err("refused for good");
    let EnrollError::Authority(cause @ AuthorityError::WrongPin { .. }) = error else {
        panic!("{error:?}");
    };
    let line = cause.to_string();
    let begins = format!("at {}: the server's CA does not have the pin", fake.address);
    assert!(line.starts_with(&begins) && !line.contains('\n'), "{line}");
    assert!(fake.heard().is_empty(), "{:?}", fake.heard());
}

#[tokio::test]
async fn the_right_coordinator_may_still_come_while_one_address_is_silent() {
    let (real, other) = (
        Running::start("a", Script::default()).await,
        Running::start("b", Script::default()).await,
    );
    let mut token = token(&real, "t1");
    // Nothing listens at the second.
    token.addresses = vec![other.address.clone(), "127.0.0.1:1".into()];
    let authority = TokenAuthority { addresses: vec![] };
    let mut told = Vec::new();
    let patience = Duration::from_secs(1);
    let error = Rig::new()
        .enroll_at(&authority, &token, false, patience, |p| told.push(p))
        .await
        .expect_err("in vain");
    assert!(matches!(error, EnrollError::GaveUp { .. }), "{error:?}");
    let [Progress::Trying { cause }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(cause.contains("does not have the pin"), "{cause}");
    assert!(cause.contains("nothing listens there"), "{cause}");
    assert!(!cause.contains("no answer from the coordinator"), "{cause}");
}

#[tokio::test]
async fn a_coordinator_that_cannot_enroll_now_is_heard_and_asked_again() {
    let full = "the store is full; see coordinator-store-full";
    let script = Script {
        refuse_enrollments: Some((Code::Unavailable, full)),
        ..Script::default()
    };
    let coordinator = Running::start("test", script).await;
    let authority = TokenAuthority { addresses: vec![] };
    let mut told = Vec::new();
    let tell = |p| {
        told.push(p);
        coordinator.script().refuse_enrollments = None;
    };
    let patience = Duration::from_secs(20);
    let (rig, token) = (Rig::new(), token(&coordinator, "t1"));
    rig.enroll_at(&authority, &token, false, patience, tell)
        .await
        .expect("enrolled in the end");
    let cause = format!("the coordinator cannot do it now: {full}");
    assert_eq!(told, [Progress::Trying { cause }]);
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_called_no_answer() {
    let coordinator = Running::start("test", Script::default()).await;
    let mut token = token(&coordinator, "t1");
    token.addresses = vec!["127.0.0.1:1".into()];
    let authority = TokenAuthority { addresses: vec![] };
    let patience = Duration::from_secs(1);
    let error = Rig::new()
        .enroll_at(&authority, &token, false, patience, |_| {})
        .await
        .expect_err("in vain");
    assert_eq!(
        error.to_string(),
        "not enrolled within 1s; the same command goes on with the same key"
    );
    let EnrollError::GaveUp { last, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        last.to_string()
            .starts_with("no answer from the coordinator: cannot connect"),
        "{last}"
    );
}

/// Answers "pending" so often, each after so many silences.
#[derive(Debug)]
struct Slow {
    pending: AtomicUsize,
    asked: AtomicUsize,
    silences: usize,
}

#[async_trait::async_trait]
impl Authority for Slow {
    async fn enroll(
        &self,
        _: &JoinToken,
        _: &KeyPair,
        _: &Claims,
    ) -> Result<Enrolled, AuthorityError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let left = self.pending.load(Ordering::SeqCst);
        if left == 0 || asked % (self.silences + 1) < self.silences {
            let cause = "nothing".into();
            return Err(AuthorityError::Unreached { cause });
        }
        self.pending.store(left - 1, Ordering::SeqCst);
        Ok(Enrolled::Pending {
            node_name: "s1".into(),
            explanation: "nothing was expected".into(),
            retry_after: Duration::from_secs(60),
        })
    }
    async fn renew(&self, _: &KeyPair) -> Result<Issued, AuthorityError> {
        unreachable!("not asked")
    }
    async fn reattest(&self, _: &KeyPair, _: &Claims) -> Result<Issued, AuthorityError> {
        unreachable!("not asked")
    }
}

#[tokio::test(start_paused = true)]
async fn patience_is_for_silence_in_a_row_and_not_for_approval() {
    let token: JoinToken = JoinToken {
        id: "t1".parse().expect("valid"),
        secret: secrecy::SecretBox::new(Box::new(vec![7; 32])),
        pin: h8lio_tls::pin::SpkiPin::of_certificate(&TestCa::new("a").root()).expect("a pin"),
        addresses: Vec::new(),
    };
    let authority = Slow {
        pending: AtomicUsize::new(30),
        asked: AtomicUsize::new(0),
        silences: 2,
    };
    let mut pending = 0;
    let patience = Duration::from_secs(30);
    let error = Rig::new()
        .enroll_at(&authority, &token, false, patience, |p| {
            pending += usize::from(matches!(p, Progress::Pending { .. }));
        })
        .await
        .expect_err("nobody answers in the end");
    assert!(matches!(error, EnrollError::GaveUp { .. }), "{error:?}");
    assert_eq!(pending, 30, "half an hour of waiting for a person");
    // Each 3 to 3.75 s after the other, the first at once.
    let asked = authority.asked.load(Ordering::SeqCst) - 90;
    assert!((8..=11).contains(&asked), "{asked} attempts in 30 s");
}
