use std::collections::BTreeSet;

use super::*;
use crate::clock::ManualClock;
use crate::store::memory::MemoryStore;
use crate::store::{OpResponse, Txn};

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

async fn log(store: &Arc<dyn Store>) -> AuditLog {
    AuditLog::start(store.clone()).await.expect("starts")
}

fn draft(target: &str) -> AuditDraft {
    AuditDraft {
        at: Timestamp::UNIX_EPOCH,
        actor: "operator/ada".into(),
        action: "node.ban".into(),
        target: target.into(),
        reason: "test".into(),
        ticket: None,
        request_id: target.into(),
        request: "{}".into(),
    }
}

async fn run(store: &Arc<dyn Store>, op: Op) {
    let done = store.txn(Txn::default().then([op])).await.expect("runs");
    assert!(matches!(
        done.responses[..],
        [OpResponse::Put | OpResponse::Deleted(1)]
    ));
}

async fn value(store: &Arc<dyn Store>, key: &str) -> Option<String> {
    let kv = store.get(key).await.expect("reads")?;
    Some(String::from_utf8_lossy(&kv.value).into_owned())
}

#[tokio::test]
async fn an_effect_and_its_entry_come_in_one_revision() {
    let store = store();
    let log = log(&store).await;
    let done = log
        .append(draft("a"), vec![Op::put("/a", "1")], vec![])
        .await;
    let done = done.expect("recorded");
    assert_eq!(done.head.seq, 1);
    for key in ["/a", "/h8lio/audit/entry/00000000000000000001", HEAD] {
        let kv = store.get(key).await.expect("reads").expect(key);
        assert_eq!(kv.mod_revision, done.revision, "{key}");
    }
    assert_eq!(*log.heads().borrow(), done.head);
    let entry = &log.read(1, 9).await.expect("reads")[0];
    assert_eq!(
        (entry.head(), &entry.outcome),
        (done.head, &Outcome::Accepted)
    );
}

#[tokio::test]
async fn what_changed_meanwhile_is_neither_done_nor_recorded() {
    let store = store();
    let log = log(&store).await;
    let effect = vec![Op::put("/a", "1")];
    let out = log
        .append(draft("a"), effect, vec![Compare::exists("/a")])
        .await;
    let action = "node.ban".to_owned();
    assert_eq!(out, Err(AuditError::Conflict { action }));
    assert_eq!(value(&store, "/a").await, None);
    assert_eq!(log.read(1, 9).await, Ok(vec![]));
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_cause() {
    let store = store();
    let log = log(&store).await;
    log.append_refused(draft("a"), "role viewer may not ban")
        .await
        .expect("recorded");
    let why = "role viewer may not ban".to_owned();
    let entries = log.read(1, 9).await.expect("reads");
    assert_eq!(entries[0].outcome, Outcome::Refused { why });
    assert_eq!(log.verify(vec![]).await, Ok(vec![]));
}

#[tokio::test]
async fn an_effect_cannot_touch_the_log() {
    let store = store();
    let log = log(&store).await;
    for op in [
        Op::delete(entry_key(1)),
        Op::put(HEAD, "{}"),
        Op::delete_range(KeyRange::all()),
        Op::delete_range(KeyRange::span("/h8lio", "/h8lio/b")),
    ] {
        let out = log.append(draft("a"), vec![op], vec![]).await;
        assert!(matches!(out, Err(AuditError::Protected { .. })), "{out:?}");
    }
    assert_eq!(log.read(1, 9).await, Ok(vec![]));
}

#[tokio::test]
async fn many_at_once_are_all_recorded_in_few_transactions() {
    let store = store();
    let log = log(&store).await;
    let before = store.revision().await.expect("reads");
    let all = (0..300).map(|i| {
        let key = format!("/n/{i}");
        log.append(
            draft(&key),
            vec![Op::put(key.clone(), "1")],
            vec![Compare::absent(key)],
        )
    });
    let done: BTreeSet<u64> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(|r| r.expect("recorded").head.seq)
        .collect();
    assert_eq!(done, (1..=300).collect());
    let spent = store.revision().await.expect("reads").0 - before.0;
    assert!(spent < 30, "{spent} transactions for 300 entries");
    assert_eq!(log.verify(vec![]).await, Ok(vec![]));
    assert_eq!(log.read(250, 1000).await.expect("reads").len(), 51);
}

#[tokio::test]
async fn of_many_at_once_only_those_that_cannot_be_done_fail() {
    let store = store();
    let log = log(&store).await;
    // Thirty want ten keys: of each three exactly one may have it.
    let all = (0..30).map(|i| {
        let key = format!("/n/{}", i % 10);
        log.append(
            draft(&key),
            vec![Op::put(key.clone(), "1")],
            vec![Compare::absent(key)],
        )
    });
    let out = futures::future::join_all(all).await;
    assert_eq!(out.iter().filter(|r| r.is_ok()).count(), 10);
    let conflicts = out
        .iter()
        .filter(|r| matches!(r, Err(AuditError::Conflict { .. })));
    assert_eq!(conflicts.count(), 20);
    let entries = log.read(1, 99).await.expect("reads");
    let targets: BTreeSet<_> = entries.iter().map(|e| e.target.as_str()).collect();
    assert_eq!((entries.len(), targets.len()), (10, 10));
    assert_eq!(log.verify(vec![]).await, Ok(vec![]));
}

#[tokio::test]
async fn calls_that_share_a_transaction_see_each_other_as_if_alone() {
    let store = store();
    let log = log(&store).await;
    // Each is allowed only while the other has not happened: together they would both pass.
    let one = vec![Compare::absent("/y")];
    let two = vec![Compare::absent("/x")];
    let (a, b) = futures::join!(
        log.append(draft("x"), vec![Op::put("/x", "")], one),
        log.append(draft("y"), vec![Op::put("/y", "")], two),
    );
    assert!(a.is_ok() ^ b.is_ok(), "{a:?} {b:?}");
}

#[tokio::test]
async fn two_coordinators_on_one_store_make_one_chain() {
    let store = store();
    let (one, two) = (log(&store).await, log(&store).await);
    for i in 0..10 {
        let log = if i % 3 == 0 { &one } else { &two };
        let done = log
            .append_refused(draft("a"), "no")
            .await
            .expect("recorded");
        assert_eq!(done.head.seq, i + 1);
    }
    let both = (0..40).map(|i| {
        let log = if i % 2 == 0 { &one } else { &two };
        log.append(draft("b"), vec![Op::put(format!("/{i}"), "")], vec![])
    });
    for done in futures::future::join_all(both).await {
        done.expect("recorded");
    }
    assert_eq!(two.verify(vec![]).await, Ok(vec![]));
    assert_eq!(two.read(1, 99).await.expect("reads").len(), 50);
}

#[tokio::test]
async fn edited_removed_and_cut_entries_show() {
    let fill = || async {
        let store = store();
        let log = log(&store).await;
        for i in 0..600 {
            log.append_refused(draft(&i.to_string()), "no")
                .await
                .expect("recorded");
        }
        (store, log)
    };
    let (store, log) = fill().await;
    let mut entry = log.read(300, 1).await.expect("reads").remove(0);
    entry.reason = "nothing to see".into();
    let forged = serde_json::to_vec(&entry).expect("encodes");
    run(&store, Op::put(entry_key(300), forged)).await;
    assert_eq!(
        log.verify(vec![]).await,
        Ok(vec![AuditFault::Edited { seq: 300 }])
    );
    run(&store, Op::put(entry_key(300), "no JSON")).await;
    let faults = log.verify(vec![]).await.expect("reads");
    assert_eq!(faults[0], AuditFault::Edited { seq: 300 });
    run(&store, Op::delete(entry_key(300))).await;
    let (expected, found) = (300, 301);
    let want = vec![AuditFault::Gap { expected, found }];
    assert_eq!(log.verify(vec![]).await, Ok(want));

    let (store, log) = fill().await;
    let seen = *log.heads().borrow();
    run(&store, Op::delete(entry_key(600))).await;
    let cut = |witness: &str| AuditFault::Cut {
        last: 599,
        seq: 600,
        witness: witness.into(),
    };
    assert_eq!(
        log.verify(vec![]).await,
        Ok(vec![cut("the log's own head")])
    );
    // A head that was set back with the tail shows through the agents alone.
    let back = log.read(599, 1).await.expect("reads")[0].head();
    run(
        &store,
        Op::put(HEAD, serde_json::to_vec(&back).expect("encodes")),
    )
    .await;
    assert_eq!(log.verify(vec![]).await, Ok(vec![]));
    let witness = vec![("node s1".to_owned(), seen)];
    assert_eq!(log.verify(witness).await, Ok(vec![cut("node s1")]));
}

#[tokio::test]
async fn a_head_set_back_overwrites_no_entry() {
    let store = store();
    let log = log(&store).await;
    for _ in 0..3 {
        log.append_refused(draft("a"), "no")
            .await
            .expect("recorded");
    }
    let third = value(&store, &entry_key(3)).await;
    let back = log.read(2, 1).await.expect("reads")[0].head();
    run(
        &store,
        Op::put(HEAD, serde_json::to_vec(&back).expect("encodes")),
    )
    .await;
    let effect = vec![Op::put("/x", "")];
    let out = log.append(draft("a"), effect, vec![]).await;
    assert!(matches!(out, Err(AuditError::Damaged { .. })), "{out:?}");
    assert_eq!(value(&store, &entry_key(3)).await, third);
    assert_eq!(value(&store, "/x").await, None);
}

#[tokio::test]
async fn a_refused_effect_fails_alone() {
    let store = store();
    let log = log(&store).await;
    let lease = crate::store::LeaseId(99);
    let (good, bad, big) = futures::join!(
        log.append(draft("good"), vec![Op::put("/good", "")], vec![]),
        log.append(
            draft("bad"),
            vec![Op::put_leased("/bad", "", lease)],
            vec![]
        ),
        log.append(
            draft("big"),
            vec![Op::put("/big", vec![0; 2 << 20])],
            vec![]
        ),
    );
    good.expect("recorded");
    let source = |r: Result<Recorded, AuditError>| match r {
        Err(AuditError::Store { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(source(bad), StoreError::LeaseNotFound { id: lease });
    assert!(matches!(source(big), StoreError::ValueTooLarge { .. }));
    assert_eq!(log.read(1, 9).await.expect("reads").len(), 1);
}

#[tokio::test]
async fn a_reading_longer_than_a_page_is_whole_in_order_and_ends_at_its_limit() {
    let store = store();
    let log = log(&store).await;
    for n in 1..=300 {
        let done = log.append(draft(&n.to_string()), vec![], vec![]).await;
        assert_eq!(done.expect("recorded").head.seq, n);
    }
    let seqs = async |from, limit| {
        let read = log.read(from, limit).await.expect("reads");
        read.iter().map(|e| e.seq).collect::<Vec<_>>()
    };
    for (from, limit, want) in [
        (1, 0, 1..1),
        (1, 256, 1..257),
        (1, 290, 1..291),
        (1, 1000, 1..301),
        (290, 5, 290..295),
        (299, 1000, 299..301),
        (301, 1000, 301..301),
    ] {
        let want: Vec<u64> = want.collect();
        assert_eq!(seqs(from, limit).await, want, "{limit} from {from}");
    }
    assert_eq!(log.verify(vec![]).await, Ok(vec![]));
}

#[test]
fn what_comes_after_the_end_of_the_writer_is_named_and_not_done() {
    let runtime = || {
        let mut one = tokio::runtime::Builder::new_current_thread();
        one.build().expect("a runtime")
    };
    let store = store();
    let first = runtime();
    let log = first.block_on(log(&store));
    drop(first); // and with it the writer
    let late = log.append(draft("a"), vec![Op::put("/a", "1")], vec![]);
    let error = runtime().block_on(late).expect_err("nobody writes");
    let want = "cannot record node.ban in the audit log, so it was not done";
    assert_eq!(error.to_string(), want);
    assert!(
        matches!(
            error,
            AuditError::Store {
                source: StoreError::Closed { .. },
                ..
            }
        ),
        "{error:?}"
    );
}
