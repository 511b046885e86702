use jiff::Timestamp;

use super::*;
use crate::clock::ManualClock;
use crate::store::memory::MemoryStore;
use crate::store::{Op, Revision, Txn};

fn name(text: &str) -> OperatorName {
    text.parse().expect("valid")
}

fn operator(called: &str, role: OperatorRole, revoked: bool) -> Operator {
    Operator {
        name: name(called),
        role,
        certificate_serial: "0a".into(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::MAX,
        revoked_at: revoked.then_some(Timestamp::UNIX_EPOCH),
    }
}

async fn put(store: &Arc<dyn Store>, key: String, value: Vec<u8>) {
    let txn = Txn::default().then([Op::put(key, value)]);
    assert!(store.txn(txn).await.expect("written").succeeded);
}

async fn store_of(operators: &[Operator]) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::default())));
    for o in operators {
        put(&store, key(&o.name), records::write(o)).await;
    }
    store
}

async fn load(operators: &[Operator]) -> Operators {
    let store = store_of(operators).await;
    Operators::load(store).await.expect("loads")
}

#[tokio::test]
async fn only_the_present_certificate_of_an_operator_who_was_not_revoked_speaks() {
    let all = load(&[
        operator("ada", OperatorRole::Admin, false),
        operator("bob", OperatorRole::Admin, true),
    ])
    .await;
    let (ada, bob, eve) = (name("ada"), name("bob"), name("eve"));
    assert_eq!(all.check(&ada, "0a"), Ok(()));
    assert_eq!(all.check(&ada, "0b"), Err(Refusal::Replaced(ada.clone())));
    assert_eq!(all.check(&ada, ""), Err(Refusal::Replaced(ada)));
    assert_eq!(all.check(&bob, "0a"), Err(Refusal::Revoked(bob)));
    assert_eq!(all.check(&eve, "0a"), Err(Refusal::Unknown(eve)));
}

#[tokio::test]
async fn another_admin_is_one_who_can_still_act() {
    let all = load(&[
        operator("ada", OperatorRole::Admin, false),
        operator("bob", OperatorRole::Admin, true),
        operator("cyd", OperatorRole::Approver, false),
        operator("dan", OperatorRole::Admin, false),
        operator("eli", OperatorRole::Admin, false),
    ])
    .await;
    let other = |all: &Operators, except: &str, now| {
        let found = all.other_admin(&name(except), now);
        found.map(|o| o.value.name.to_string())
    };
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(other(&all, "eli", now).as_deref(), Some("dan"));
    assert_eq!(other(&all, "dan", now).as_deref(), Some("eli"));
    let end = Timestamp::from_second(1_000).expect("in range");
    let ended = Operator {
        expires_at: end,
        ..operator("zoe", OperatorRole::Admin, false)
    };
    let two = load(&[ended.clone(), operator("ada", OperatorRole::Admin, false)]).await;
    assert_eq!(
        other(&two, "bob", now).as_deref(),
        Some("ada"),
        "for longest"
    );
    let one = load(&[ended]).await;
    let after = Timestamp::from_second(1_001).expect("in range");
    assert_eq!(other(&one, "bob", end).as_deref(), Some("zoe"));
    assert_eq!(other(&one, "bob", after), None);
    let lone = load(&[
        operator("ada", OperatorRole::Admin, false),
        operator("bob", OperatorRole::Admin, true),
        operator("cyd", OperatorRole::Approver, false),
    ])
    .await;
    assert_eq!(other(&lone, "ada", now), None);
}

#[tokio::test]
async fn operators_are_listed_by_name_and_found_with_their_revision() {
    let (zoe, ada) = (
        operator("zoe", OperatorRole::Viewer, false),
        operator("ada", OperatorRole::Admin, true),
    );
    let store = store_of(&[zoe.clone(), ada.clone()]).await;
    let all = Operators::load(Arc::clone(&store)).await.expect("loads");
    assert_eq!(all.list(), [ada.clone(), zoe]);
    let found = all.get(&ada.name).expect("known");
    let kv = store.get(&key(&ada.name)).await.expect("reads");
    let revision = kv.expect("stored").mod_revision;
    assert_eq!((found.value, found.revision), (ada, revision));
    assert!(all.get(&name("eve")).is_none());
}

#[tokio::test]
async fn a_reload_sees_what_was_written_and_keeps_all_when_it_cannot_be_read() {
    let store = store_of(&[operator("ada", OperatorRole::Admin, false)]).await;
    let all = Operators::load(Arc::clone(&store)).await.expect("loads");
    let revoked = operator("ada", OperatorRole::Admin, true);
    put(&store, key(&revoked.name), records::write(&revoked)).await;
    assert_eq!(all.check(&name("ada"), "0a"), Ok(()), "not read yet");
    all.reload().await.expect("reads");
    let refusal = Refusal::Revoked(name("ada"));
    assert_eq!(all.check(&name("ada"), "0a"), Err(refusal.clone()));
    put(&store, key(&name("bob")), b"garbage".to_vec()).await;
    all.reload().await.expect_err("garbage is no operator");
    assert_eq!(all.check(&name("ada"), "0a"), Err(refusal));
}

#[test]
fn an_operators_key_is_below_the_operators() {
    assert_eq!(key(&name("ada")), "/h8lio/operator/ada");
}

#[tokio::test]
async fn a_reading_that_was_overtaken_brings_no_revoked_operator_back() {
    let store = MemoryStore::new(Arc::new(ManualClock::default()));
    let operators = Operators::load(Arc::new(store)).await.expect("loads");
    let name: OperatorName = "eve".parse().expect("valid");
    let read_at = |revision, revoked_at| {
        let value = Operator {
            name: name.clone(),
            role: OperatorRole::Viewer,
            certificate_serial: "01".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
            revoked_at,
        };
        let revision = Revision(revision);
        HashMap::from([(name.clone(), Versioned { value, revision })])
    };
    operators.take(read_at(8, Some(Timestamp::UNIX_EPOCH)));
    operators.take(read_at(7, None));
    let refusal = operators.check(&name, "01").expect_err("revoked");
    assert_eq!(refusal, Refusal::Revoked(name.clone()));
}

#[tokio::test]
async fn an_older_reading_does_not_bring_back_who_was_revoked_meanwhile() {
    let all = load(&[operator("ada", OperatorRole::Admin, false)]).await;
    let held = all.get(&name("ada")).expect("known").revision;
    let reading = |revoked, revision| {
        let value = operator("ada", OperatorRole::Admin, revoked);
        HashMap::from([(name("ada"), Versioned { value, revision })])
    };
    all.take(reading(true, held.next()));
    all.take(reading(false, held));
    all.take(reading(false, held.next()));
    let revoked = Err(Refusal::Revoked(name("ada")));
    assert_eq!(all.check(&name("ada"), "0a"), revoked);
    all.take(reading(false, held.next().next()));
    assert_eq!(all.check(&name("ada"), "0a"), Ok(()), "created anew");
}
