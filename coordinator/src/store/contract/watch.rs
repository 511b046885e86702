//! Watches: resume, order, compaction.

use super::*;

pub(crate) async fn a_watch_resumes_at_any_kept_revision(b: Bench) {
    b.put("/a", "1").await;
    b.put("/b", "2").await;
    b.run(Txn::default().then([Op::delete("/a")])).await;
    let all = ["+/a=1@2", "+/b=2@3", "-/a@4"];
    for (from, skip) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
        let mut w = b.watch(KeyRange::all(), Revision(from)).await;
        assert_eq!(events(&mut w, 3 - skip).await, all[skip..], "from {from}");
    }
    // A batch says where to go on.
    let mut w = b.watch(KeyRange::all(), Revision(2)).await;
    let batch = next(&mut w).await.expect("goes on").expect("no error");
    b.put("/c", "3").await;
    let mut w = b.watch(KeyRange::all(), batch.revision.next()).await;
    let rest = events(&mut w, 4 - batch.events.len()).await;
    assert_eq!(rest.last().map(String::as_str), Some("+/c=3@5"));
}

pub(crate) async fn a_watch_sees_what_comes_and_only_its_range(b: Bench) {
    b.put("/old", "").await;
    let from = b.revision().await.next();
    let mut w = b.watch(KeyRange::prefix("/n/"), from).await;
    b.put("/n/1", "a").await;
    b.put("/m/1", "b").await;
    b.run(Txn::default().then([Op::put("/z", ""), Op::put("/n/2", "c")]))
        .await;
    b.run(Txn::default().then([Op::delete_range(KeyRange::all())]))
        .await;
    let want = ["+/n/1=a@3", "+/n/2=c@5", "-/n/1@6", "-/n/2@6"];
    assert_eq!(events(&mut w, 4).await, want);
}

pub(crate) async fn a_watch_from_zero_starts_with_the_next_change(b: Bench) {
    b.put("/a", "old").await;
    let mut w = b.watch(KeyRange::all(), Revision(0)).await;
    b.put("/a", "new").await;
    assert_eq!(events(&mut w, 1).await, ["+/a=new@3"]);
}

pub(crate) async fn a_watch_may_wait_for_a_future_revision(b: Bench) {
    let mut w = b.watch(KeyRange::all(), Revision(4)).await;
    for value in ["2", "3", "4", "5"] {
        b.put("/a", value).await;
    }
    assert_eq!(events(&mut w, 2).await, ["+/a=4@4", "+/a=5@5"]);
}

pub(crate) async fn a_revision_arrives_whole_and_in_order(b: Bench) {
    let puts = (0..100).rev().map(|i| Op::put(format!("/{i:03}"), ""));
    b.run(Txn::default().then(puts)).await;
    for round in 0..30 {
        let puts = (0..100).map(|i| Op::put(format!("/{i:03}"), round.to_string()));
        b.run(Txn::default().then(puts)).await;
    }
    b.run(Txn::default().then([Op::delete_range(KeyRange::all())]))
        .await;
    let mut w = b.watch(KeyRange::all(), Revision(2)).await;
    let mut seen: Vec<String> = Vec::new();
    let mut reached = Revision(1);
    while seen.len() < 3200 {
        let batch = next(&mut w).await.expect("goes on").expect("no error");
        let first = batch.events.first().map(WatchEvent::mod_revision);
        assert_eq!(
            first,
            Some(reached.next()),
            "no revision is split or left out"
        );
        assert_eq!(batch.events.len() % 100, 0, "revisions come whole");
        reached = batch.revision;
        seen.extend(batch.events.iter().map(say));
    }
    assert_eq!(
        seen[..2],
        ["+/099=@2", "+/098=@2"],
        "puts come as they were asked for"
    );
    assert_eq!(
        seen[3198..],
        ["-/098@33", "-/099@33"],
        "a deleted range comes in key order"
    );
}

pub(crate) async fn a_compacted_history_is_said_at_once(b: Bench) {
    for value in ["2", "3", "4", "5", "6"] {
        b.put("/a", value).await;
    }
    b.put("/still", "here").await;
    b.store.compact(Revision(4)).await.expect("compacts");
    b.store
        .compact(Revision(2))
        .await
        .expect("an older one is harmless");
    let gone = b.store.watch(KeyRange::all(), Revision(3)).await.err();
    let (from, compacted) = (Revision(3), Revision(4));
    assert_eq!(gone, Some(StoreError::Compacted { from, compacted }));
    let mut w = b.watch(KeyRange::all(), Revision(5)).await;
    assert_eq!(events(&mut w, 2).await[..2], ["+/a=5@5", "+/a=6@6"]);
    // Present keys, also those written before, are as they were, and change as ever.
    b.store
        .compact(Revision(9999))
        .await
        .expect("at most the present");
    assert_eq!(b.get("/a").await.map(|kv| kv.version), Some(5));
    assert_eq!(b.value("/still").await, Some("here".into()));
    b.put("/a", "8").await;
    b.run(Txn::default().then([Op::delete("/still")])).await;
    let kv = b.get("/a").await.expect("exists");
    assert_eq!((kv.create_revision, kv.version), (Revision(2), 6));
    let mut w = b.watch(KeyRange::all(), Revision(8)).await;
    assert_eq!(events(&mut w, 2).await, ["+/a=8@8", "-/still@9"]);
}

pub(crate) async fn a_watcher_overtaken_by_compaction_gets_an_error_and_no_gap(b: Bench) {
    let mut w = b.watch(KeyRange::all(), Revision(2)).await;
    b.put("/a", "2").await;
    assert_eq!(events(&mut w, 1).await, ["+/a=2@2"]);
    for _ in 0..10 {
        b.put("/a", "x").await;
    }
    b.store.compact(Revision(8)).await.expect("compacts");
    // What it has not read yet is gone: it may get none of it, or an error; never a part.
    let mut reached = Revision(2);
    loop {
        match next(&mut w).await {
            Some(Ok(batch)) => {
                assert_eq!(batch.events[0].mod_revision(), reached.next());
                reached = batch.revision;
                assert!(
                    reached < Revision(12),
                    "a store that can still tell all may"
                );
            }
            Some(Err(e)) => {
                let (from, compacted) = (reached.next(), Revision(8));
                assert_eq!(e, StoreError::Compacted { from, compacted });
                break;
            }
            None => panic!("the watch ended without a word"),
        }
    }
    assert_eq!(next(&mut w).await, None, "after an error nothing follows");
}

pub(crate) async fn a_watch_ends_with_an_error_when_the_store_closes(b: Bench) {
    let mut w = b.watch(KeyRange::all(), Revision(2)).await;
    b.put("/a", "1").await;
    assert_eq!(events(&mut w, 1).await, ["+/a=1@2"]);
    drop(b);
    let end = next(&mut w).await;
    assert!(
        matches!(end, Some(Err(StoreError::Closed { .. }))),
        "{end:?}"
    );
    assert_eq!(next(&mut w).await, None);
}

pub(crate) async fn a_watcher_sees_every_change_of_many_writers_once(b: Bench) {
    let mut w = b.watch(KeyRange::all(), Revision(2)).await;
    let b = Arc::new(b);
    let write = |writer: u32, b: Arc<Bench>| async move {
        for n in 0..50 {
            b.put(&format!("/{writer}"), &n.to_string()).await;
        }
    };
    let writers: Vec<_> = (0..4).map(|i| tokio::spawn(write(i, b.clone()))).collect();
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let batch = next(&mut w).await.expect("goes on").expect("no error");
        seen.extend(batch.events.iter().map(WatchEvent::mod_revision));
    }
    assert_eq!(seen, (2..202).map(Revision).collect::<Vec<_>>());
    for w in writers {
        w.await.expect("no panic");
    }
}
