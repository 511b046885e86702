use std::sync::Arc;
use std::time::Duration;

use h8lio_model::ids::BootId;
use serde_json::value::to_raw_value;

use super::testing::{put, record};
use super::*;
use crate::clock::ManualClock;
use crate::store::memory::MemoryStore;

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

async fn load(store: &Arc<dyn Store>) -> Registry {
    let loaded = Registry::load(Arc::clone(store), at(0)).await;
    loaded.expect("loads")
}

fn gone(id: u128, name: &str) -> NodeRecord {
    NodeRecord {
        admission: Admission::Decommissioned,
        ..record(id, name)
    }
}

async fn write(store: &Arc<dyn Store>, key: String, value: Vec<u8>) {
    let done = store.txn(Txn::default().then([Op::put(key, value)])).await;
    assert!(done.expect("stored").succeeded);
}

/// Whom the store gives a name to.
async fn owner(store: &Arc<dyn Store>, name: &str) -> Option<String> {
    let key = records::name_key(&name.parse().expect("a name"));
    let kv = store.get(&key).await.expect("reads")?;
    Some(String::from_utf8_lossy(&kv.value).into_owned())
}

fn id(n: u128) -> NodeId {
    record(n, "n").id
}

#[tokio::test]
async fn a_node_is_found_by_its_name_and_by_its_id() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    put(store.as_ref(), &record(2, "n2")).await;
    let registry = load(&store).await;
    for (text, found) in [
        ("n1".to_owned(), 1),
        ("n2".to_owned(), 2),
        (id(2).to_string(), 2),
    ] {
        assert_eq!(registry.find(&text).expect("known").id, id(found), "{text}");
    }
    assert_eq!(registry.by_id(id(1)).expect("known").id, id(1));
    assert!(registry.by_id(id(3)).is_none());
    for unknown in ["n3".to_owned(), "NO name".to_owned(), id(3).to_string()] {
        let error = registry.find(&unknown).expect_err("unknown").to_string();
        assert!(
            error.contains(&unknown) && error.contains("h8lctl node list"),
            "{error}"
        );
    }
    let mut all: Vec<_> = registry.all().iter().map(|n| n.id).collect();
    all.sort();
    assert_eq!(all, [id(1), id(2)]);
}

#[tokio::test]
async fn after_a_start_a_name_belongs_to_whoever_is_still_a_member() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    write(
        &store,
        records::node_key(id(2)),
        records::write(&gone(2, "n2")),
    )
    .await;
    let registry = load(&store).await;
    let taken = |name: &str| registry.name_taken(&name.parse().expect("a name"));
    assert!(taken("n1"));
    assert!(!taken("n2") && !taken("n3"));
    assert!(registry.find("n2").is_err());
    assert!(
        registry.by_id(id(2)).is_some(),
        "its identity is remembered"
    );
}

#[tokio::test]
async fn what_was_seen_and_reported_before_a_start_is_known_after_it() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let seen = SeenRecord {
        agent_version: Some("0.1.0".into()),
        ..SeenRecord::default()
    };
    write(&store, records::seen_key(id(1)), records::write(&seen)).await;
    let section = |node, kind: &str| format!("{}{node}/{kind}", records::SECTIONS);
    let conditions = serde_json::json!([{
        "type": "ClockUnsynchronized", "status": "true", "reason": "NoServer", "message": "m",
        "since": at(1), "observedAt": at(2),
    }]);
    let stored = StoredSection {
        digest: Digest([5; 32]),
        at: at(7),
        body: to_raw_value(&conditions).expect("JSON"),
    };
    for key in [
        records::section_key(id(1), SectionKind::Conditions),
        // Of a node that is not there, and of a kind that this release does not know.
        section(id(2), "conditions"),
        section(id(1), "weather"),
    ] {
        write(&store, key, records::write(&stored)).await;
    }
    let registry = load(&store).await;
    let node = registry.by_id(id(1)).expect("known");
    assert_eq!(node.seen(), seen);
    assert_eq!(
        node.digest(SectionKind::Conditions),
        Some(Digest([5; 32])),
        "what the agent need not send again"
    );
    assert_eq!(node.digest(SectionKind::Os), None);
    assert_eq!(node.observed(), [(SectionKind::Conditions, at(7))]);
    let reasons: Vec<_> = node.conditions().into_iter().map(|c| c.reason).collect();
    assert_eq!(reasons, ["NoServer"]);
}

#[tokio::test]
async fn only_leaving_the_fleet_frees_a_name_and_a_successor_keeps_it() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let registry = load(&store).await;
    let relabel = |r: &mut NodeRecord| {
        r.pending_reason.push('x');
        true
    };
    registry.update(id(1), at(0), relabel).await.expect("done");
    assert_eq!(owner(&store, "n1").await, Some(id(1).to_string()));
    let leave = |r: &mut NodeRecord| {
        r.admission = Admission::Decommissioned;
        true
    };
    registry.update(id(1), at(0), leave).await.expect("done");
    assert_eq!(owner(&store, "n1").await, None);
    let n1 = "n1".parse().expect("a name");
    assert!(!registry.name_taken(&n1) && registry.find("n1").is_err());

    put(store.as_ref(), &record(2, "n1")).await;
    registry.refresh(id(2), at(0)).await.expect("taken over");
    // The old record still changes (its certificate is noted, say).
    registry.update(id(1), at(0), relabel).await.expect("done");
    assert_eq!(owner(&store, "n1").await, Some(id(2).to_string()));
    assert_eq!(registry.find("n1").expect("known").id, id(2));
}

#[tokio::test]
async fn a_change_is_made_to_what_the_store_holds_and_not_to_what_was_remembered() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let (here, there) = (load(&store).await, load(&store).await);
    let until = |second| {
        move |r: &mut NodeRecord| {
            r.recovery_until = Some(at(second));
            true
        }
    };
    there.update(id(1), at(0), until(9)).await.expect("done");
    let mut tries = 0;
    let rename = |r: &mut NodeRecord| {
        tries += 1;
        r.pending_reason = "b".into();
        true
    };
    let node = here.update(id(1), at(0), rename).await.expect("done");
    assert_eq!(tries, 2, "once on the old record, once on the new");
    let node = node.record();
    assert_eq!(node.value.recovery_until, Some(at(9)), "nothing was lost");
    assert_eq!(node.value.pending_reason, "b");
    let kv = store.get(&records::node_key(id(1))).await.expect("reads");
    let kv = kv.expect("there");
    assert_eq!(kv.value, records::write(&node.value));
    assert_eq!(kv.mod_revision, node.revision);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let registry = load(&store).await;
    let before = store.revision().await.expect("reads");
    let node = registry.update(id(1), at(0), |_| false).await;
    let node = node.expect("done");
    node.change_seen(|_| {});
    registry.store_start(&node, at(0)).await.expect("done");
    assert_eq!(store.revision().await.expect("reads"), before);

    let boot = Some(BootId(uuid::Uuid::from_u128(1)));
    node.change_seen(|s| s.boot_id = boot);
    registry.store_start(&node, at(0)).await.expect("stored");
    let kv = store.get(&records::seen_key(id(1))).await.expect("reads");
    let kv = kv.expect("there");
    let stored: SeenRecord = records::read(&kv.key, &kv.value).expect("readable");
    assert_eq!((stored.boot_id, node.seen().boot_id), (boot, boot));
}

#[tokio::test]
async fn an_older_record_that_comes_late_takes_nothing_back() {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let registry = load(&store).await;
    let node = registry.by_id(id(1)).expect("known");
    let old = node.record();
    let change = |r: &mut NodeRecord| {
        r.pending_reason = "new".into();
        true
    };
    registry.update(id(1), at(0), change).await.expect("done");
    node.set_record(Versioned {
        value: old.value.clone(),
        revision: old.revision,
    });
    assert_eq!(node.record().value.pending_reason, "new");
}

#[test]
fn a_key_names_a_section_when_both_its_parts_are_known() {
    let node = id(1);
    let key = |rest: &str| format!("{}{rest}", records::SECTIONS);
    let os = records::section_key(node, SectionKind::Os);
    assert_eq!(parse_section_key(&os), Some((node, SectionKind::Os)));
    for other in [
        key(&format!("{node}/weather")),
        key(&format!("{node}")),
        key("n1/os"),
        "/h8lio/node/os".to_owned(),
    ] {
        assert_eq!(parse_section_key(&other), None, "{other}");
    }
}

async fn alone() -> (Registry, Arc<Node>) {
    let store = store();
    put(store.as_ref(), &record(1, "n1")).await;
    let registry = load(&store).await;
    let node = registry.by_id(id(1)).expect("known");
    (registry, node)
}

#[test]
fn a_node_was_last_heard_at_the_latest_beat() {
    let live = Live::default();
    assert_eq!(live.last_heard(), None, "not since the start");
    for (beat, last) in [(0, 0), (7, 7), (5, 7), (9, 9)] {
        live.heard(Duration::from_millis(beat));
        assert_eq!(live.last_heard(), Some(Duration::from_millis(last)));
    }
    live.heard(Duration::MAX);
    assert!(live.last_heard() > Some(Duration::from_secs(1 << 40)));
}

#[tokio::test]
async fn a_section_is_confirmed_by_its_digest_alone_and_its_age_never_grows() {
    let (_registry, node) = alone().await;
    let (os, ours, other) = (SectionKind::Os, Digest([1; 32]), Digest([2; 32]));
    assert!(!node.confirm(os, ours, at(1)), "the coordinator has none");
    node.set_digest(os, ours, at(5));
    assert!(!node.confirm(os, other, at(6)));
    assert_eq!(node.observed(), [(os, at(5))], "that said nothing of ours");
    for (confirmed, observed) in [(7, 7), (6, 7), (9, 9)] {
        assert!(node.confirm(os, ours, at(confirmed)));
        assert_eq!(node.observed(), [(os, at(observed))]);
    }
    assert_eq!(node.digest(os), Some(ours));
}

#[tokio::test]
async fn a_node_keeps_what_it_was_told_last() {
    let (_registry, node) = alone().await;
    assert_eq!(node.verdict().since, at(0), "when it was loaded");
    node.set_verdict(Verdict {
        since: at(4),
        ..node.verdict()
    });
    assert_eq!(node.verdict().since, at(4));
    assert_eq!(node.volatile(SectionKind::Vitals), None);
    node.set_volatile(SectionKind::Vitals, "{}".into());
    assert_eq!(node.volatile(SectionKind::Vitals), Some("{}".into()));
    node.update_clusters(|c| c.ceph_fsid = Some("f".into()));
    node.update_clusters(|c| c.kubernetes = Some("k".into()));
    let clusters = node.clusters();
    assert_eq!(clusters.ceph_fsid.as_deref(), Some("f"));
    assert_eq!(clusters.kubernetes.as_deref(), Some("k"));
}

async fn by_key(registry: &Registry, key: Digest) -> Option<NodeId> {
    let found = registry.by_enrolled_key(key, at(0)).await;
    found.expect("reads").map(|node| node.id)
}

#[tokio::test]
async fn a_record_that_was_read_earlier_takes_no_name_back() {
    let store = store();
    let first = record(1, "n1");
    put(store.as_ref(), &first).await;
    let registry = load(&store).await;
    let now = at(0);
    let read_earlier = registry.by_id(first.id).expect("known").record();
    let gone = |r: &mut NodeRecord| {
        r.admission = Admission::Decommissioned;
        true
    };
    registry.update(first.id, now, gone).await.expect("stored");
    assert!(!registry.name_taken(&first.name));
    registry.take_over((*read_earlier).clone(), now);
    assert!(!registry.name_taken(&first.name), "the name is free");
    let successor = record(2, "n1");
    put(store.as_ref(), &successor).await;
    registry.refresh(successor.id, now).await.expect("read");
    registry.take_over((*read_earlier).clone(), now);
    let found = registry.find("n1").expect("the successor");
    assert_eq!(found.id, successor.id);
}

/// scenario: 34 (unit)
#[tokio::test]
async fn who_asks_again_is_found_by_the_key_also_when_the_first_answer_was_lost() {
    let store = store();
    let (first, second) = (record(1, "n1"), record(2, "n2"));
    put(store.as_ref(), &first).await;
    let registry = load(&store).await;
    // Written by a call that ended before it told.
    put(store.as_ref(), &second).await;
    assert_eq!(by_key(&registry, first.enrolled_key).await, Some(first.id));
    assert!(registry.by_id(second.id).is_none());
    assert_eq!(
        by_key(&registry, second.enrolled_key).await,
        Some(second.id)
    );
    assert!(registry.by_id(second.id).is_some(), "taken over");
    assert_eq!(by_key(&registry, Digest::of(b"another")).await, None);
}

/// scenario: 34 (unit)
#[tokio::test]
async fn one_key_is_one_node_whatever_the_tokens_and_names() {
    let store = store();
    let first = record(1, "n1");
    put(store.as_ref(), &first).await;
    let mut second = record(2, "n2");
    second.enrolled_key = first.enrolled_key;
    let (compares, ops) = Registry::create_ops(&second);
    let done = store.txn(Txn::when(compares).then(ops)).await;
    assert!(!done.expect("answered").succeeded);
    assert_eq!(
        by_key(&load(&store).await, first.enrolled_key).await,
        Some(first.id)
    );
}
