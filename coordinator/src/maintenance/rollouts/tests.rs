use std::collections::BTreeMap;
use std::sync::Arc;

use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_planner::Wish;
use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::rpc::status::chain;
use crate::store::Txn;
use crate::store::memory::MemoryStore;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn record(name: &str) -> RolloutRecord {
    let spec = format!(
        r#"{{"name":"{name}","target":"security","selector":"all","failureThreshold":1,
            "windows":[{{"cron":"0 22 * * FRI","lasts":"PT4H","zone":"Europe/Paris"}}]}}"#
    );
    RolloutRecord {
        spec: serde_json::from_str(&spec).expect("a specification"),
        created_at: at(1_000),
        created_by: "ada".into(),
        reason: "CVE-2026-1".into(),
        control: ControlRecord::default(),
    }
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

async fn put(store: &Arc<dyn Store>, key: &str, value: &str) {
    let op = Op::put(key, value.as_bytes().to_vec());
    let done = store.txn(Txn::default().then([op])).await;
    assert!(done.expect("written").succeeded);
}

async fn commit(store: &Arc<dyn Store>, (compares, ops): (Vec<Compare>, Vec<Op>)) -> bool {
    let done = store.txn(Txn::when(compares).then(ops)).await;
    done.expect("answered").succeeded
}

#[tokio::test]
async fn what_was_said_of_a_rollout_is_there_after_a_restart() {
    let store = store();
    let rollouts = Rollouts::load(Arc::clone(&store)).await.expect("empty");
    let mut written = record("march");
    assert!(commit(&store, Rollouts::create_ops(&written)).await);
    assert!(
        !commit(&store, Rollouts::create_ops(&written)).await,
        "twice"
    );
    rollouts.refresh(&written.spec.name).await.expect("read");
    let before = rollouts.get(&written.spec.name).expect("there");
    let node = NodeId::new(Uuid::from_u128(1));
    let attempt = AttemptId(Uuid::from_u128(2));
    written.control = ControlRecord {
        wish: WishRecord::Pause {
            by: "ada".into(),
            at: at(2_000),
        },
        acknowledged: vec![AcknowledgedRecord {
            node,
            attempt,
            outcome: Outcome::RolledBack,
            by: "ada".into(),
            at: at(2_000),
        }],
        retries: BTreeMap::from([(node, 1)]),
    };
    assert!(commit(&store, Rollouts::replace_ops(&before, &written)).await);
    let stale = Rollouts::replace_ops(&before, &record("march"));
    assert!(!commit(&store, stale).await, "somebody else was there");

    let again = Rollouts::load(store).await.expect("loads");
    let stored = again.get(&written.spec.name).expect("there");
    assert_eq!(stored.record, written);
    let [rollout] = &again.all()[..] else {
        panic!("one rollout");
    };
    assert_eq!(rollout.created_at, at(1_000));
    assert_eq!(rollout.windows.len(), 1);
    let control = &rollout.control;
    assert!(matches!(&control.wish, Wish::Pause { by, .. } if by == "ada"));
    assert!(
        control
            .acknowledged
            .contains(&(attempt, Outcome::RolledBack))
    );
    assert_eq!(control.retries[&node], 1);
}

#[tokio::test]
async fn an_older_reading_takes_nothing_back() {
    let store = store();
    let written = record("march");
    assert!(commit(&store, Rollouts::create_ops(&written)).await);
    let rollouts = Rollouts::load(Arc::clone(&store)).await.expect("loads");
    rollouts
        .refresh(&written.spec.name)
        .await
        .expect("the same again");
    rollouts
        .refresh(&"april".parse().expect("a name"))
        .await
        .expect("nobody");
    assert_eq!(rollouts.list().len(), 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_the_start_with_its_key() {
    let good = serde_json::to_string(&record("march")).expect("JSON");
    let foreign = good.replace("\"createdBy\"", "\"veto\":true,\"createdBy\"");
    let moon = good.replace("Europe/Paris", "Moon/Base");
    for (value, told) in [
        ("{", "cannot be understood"),
        (foreign.as_str(), "unknown field `veto`"),
        (moon.as_str(), "time zone \"Moon/Base\" does not exist"),
        (
            &good.replace("\"march\"", "\"may\""),
            "is about rollout may",
        ),
    ] {
        let store = store();
        put(&store, "/h8lio/rollout/march", value).await;
        let error = Rollouts::load(store).await.expect_err("must stop");
        let text = chain(&error);
        assert!(text.contains("/h8lio/rollout/march"), "{text}");
        assert!(text.contains(told), "{text}");
    }
}
