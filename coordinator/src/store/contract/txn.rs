//! Transactions, ranges, limits.

use super::*;

pub(crate) async fn a_new_store_is_empty_at_revision_one(b: Bench) {
    assert_eq!(b.revision().await, Revision(1));
    assert_eq!(b.keys(KeyRange::all()).await, Vec::<String>::new());
    assert_eq!(b.get("/a").await, None);
}

pub(crate) async fn a_put_is_read_back_with_its_history(b: Bench) {
    b.put("/a", "1").await;
    b.put("/b", "x").await;
    b.put("/a", "2").await;
    let want = KeyValue {
        key: "/a".into(),
        value: "2".into(),
        create_revision: Revision(2),
        mod_revision: Revision(4),
        version: 2,
        lease: None,
    };
    assert_eq!(b.get("/a").await, Some(want.clone()));
    let page = b.store.range(KeyRange::all(), 1).await.expect("reads");
    assert_eq!((page.items, page.more), (vec![want], true));
    assert_eq!(page.revision, Revision(4));
}

pub(crate) async fn a_deleted_key_starts_anew(b: Bench) {
    b.put("/a", "1").await;
    b.put("/a", "2").await;
    let gone = b.run(Txn::default().then([Op::delete("/a")])).await;
    assert_eq!(gone.responses, [OpResponse::Deleted(1)]);
    assert_eq!(b.get("/a").await, None);
    b.put("/a", "").await;
    let kv = b.get("/a").await.expect("is back, with an empty value");
    assert_eq!((kv.create_revision, kv.version), (Revision(5), 1));
    assert_eq!(kv.value, Bytes::new());
}

pub(crate) async fn only_one_of_two_writers_with_the_same_view_wins(b: Bench) {
    b.put("/a", "0").await;
    let seen = b.get("/a").await.expect("exists");
    let mut wins = 0;
    for value in ["1", "2"] {
        let txn = Txn::when([Compare::unchanged(&seen)]).then([Op::put("/a", value)]);
        wins += u32::from(b.run(txn).await.succeeded);
    }
    assert_eq!(wins, 1);
    assert_eq!(b.value("/a").await, Some("1".into()));
}

pub(crate) async fn the_failure_branch_runs_and_answers_when_a_comparison_fails(b: Bench) {
    b.put("/a", "1").await;
    let txn = Txn::when([Compare::exists("/a"), Compare::absent("/a")])
        .then([Op::put("/a", "never")])
        .otherwise([Op::get("/a"), Op::put("/lost", "yes")]);
    let out = b.run(txn).await;
    assert!(!out.succeeded);
    assert_eq!(out.revision, Revision(3), "the failure branch wrote");
    let [OpResponse::Get(Some(kv)), OpResponse::Put] = &out.responses[..] else {
        panic!("{out:?}");
    };
    assert_eq!(kv.value, "1");
    assert_eq!(b.value("/lost").await, Some("yes".into()));
}

pub(crate) async fn every_target_and_operator_compares_as_in_etcd(b: Bench) {
    use CompareOp::{Equal, Greater, Less, NotEqual};
    let lease = b.store.lease_grant(Duration::from_secs(60)).await;
    let lease = lease.expect("granted").id;
    b.put("/other", "").await;
    b.put("/a", "m").await;
    b.run(Txn::default().then([Op::put_leased("/a", "m", lease)]))
        .await;
    // Created at 3, modified at 4, version 2.
    let targets: [[Target; 3]; 5] = [
        [2, 3, 4].map(|r| Target::CreateRevision(Revision(r))),
        [3, 4, 5].map(|r| Target::ModRevision(Revision(r))),
        [1, 2, 3].map(Target::Version),
        ["ma", "m", ""].map(|v| Target::Value(v.into())),
        [None, Some(lease), Some(LeaseId(lease.0 + 1))].map(Target::Lease),
    ];
    for [low, same, high] in targets {
        // "ma" is above "m" and "" below it: values order the other way round here.
        let (low, high) = match &low {
            Target::Value(_) => (high, low),
            _ => (low, high),
        };
        for (target, holding) in [
            (low, [NotEqual, Greater].as_slice()),
            (same, &[Equal]),
            (high, &[NotEqual, Less]),
        ] {
            for op in [Equal, NotEqual, Less, Greater] {
                let txn = Txn::when([Compare::new("/a", op, target.clone())]);
                let held = b.run(txn).await.succeeded;
                assert_eq!(held, holding.contains(&op), "{op:?} {target:?}");
            }
        }
    }
}

pub(crate) async fn a_missing_key_compares_as_zero_and_never_by_value(b: Bench) {
    use CompareOp::{Equal, Greater, Less, NotEqual};
    for (op, target, want) in [
        (Equal, Target::CreateRevision(Revision(0)), true),
        (Less, Target::ModRevision(Revision(1)), true),
        (Equal, Target::Version(0), true),
        (Greater, Target::Version(0), false),
        (Equal, Target::Lease(None), true),
        (Equal, Target::Value("".into()), false),
        (NotEqual, Target::Value("x".into()), false),
        (Less, Target::Value("x".into()), false),
    ] {
        let compare = Compare::new("/none", op, target);
        let held = b.run(Txn::when([compare.clone()])).await.succeeded;
        assert_eq!(held, want, "{compare:?}");
    }
}

pub(crate) async fn operations_see_the_ones_before_them(b: Bench) {
    b.put("/x/1", "old").await;
    let out = b
        .run(Txn::default().then([
            Op::get("/x/1"),
            Op::put("/a", "new"),
            Op::get("/a"),
            Op::delete("/x/1"),
            Op::get("/x/1"),
            Op::delete_range(KeyRange::prefix("/x/")),
        ]))
        .await;
    let found: Vec<Option<Bytes>> = out
        .responses
        .iter()
        .filter_map(|r| match r {
            OpResponse::Get(kv) => Some(kv.as_ref().map(|kv| kv.value.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(found, [Some("old".into()), Some("new".into()), None]);
    assert_eq!(out.responses[5], OpResponse::Deleted(0), "already gone");
}

pub(crate) async fn one_transaction_is_one_revision(b: Bench) {
    let puts = ["/a", "/b", "/c"].map(|k| Op::put(k, "1"));
    let out = b.run(Txn::default().then(puts)).await;
    assert_eq!(out.revision, Revision(2));
    for key in ["/a", "/b", "/c"] {
        let kv = b.get(key).await.expect("exists");
        assert_eq!(
            (kv.create_revision, kv.mod_revision),
            (out.revision, out.revision)
        );
    }
}

pub(crate) async fn what_changes_nothing_keeps_the_revision(b: Bench) {
    let before = b.put("/a", "1").await;
    for txn in [
        Txn::default(),
        Txn::default().then([Op::get("/a")]),
        Txn::default().then([Op::delete("/none")]),
        Txn::default().then([Op::delete_range(KeyRange::span("/z", "/a"))]),
        Txn::when([Compare::absent("/a")]).then([Op::put("/a", "2")]),
    ] {
        assert_eq!(b.run(txn).await.revision, before);
    }
    b.store
        .lease_grant(Duration::from_secs(9))
        .await
        .expect("granted");
    assert_eq!(b.revision().await, before);
}

pub(crate) async fn a_refused_transaction_leaves_no_trace(b: Bench) {
    let before = b.put("/a", "1").await;
    let put = Op::put("/a", "2");
    let bad = Op::put_leased("/b", "2", LeaseId(4711));
    let refused = b.store.txn(Txn::default().then([put, bad])).await;
    assert_eq!(
        refused,
        Err(StoreError::LeaseNotFound { id: LeaseId(4711) })
    );
    assert_eq!(b.value("/a").await, Some("1".into()));
    assert_eq!(b.revision().await, before);
    assert_eq!(b.put("/a", "3").await, before.next());
}

pub(crate) async fn a_range_is_deleted_to_its_end_and_no_further(b: Bench) {
    for key in ["/a", "/a/", "/a/1", "/a/2", "/a0", "/b"] {
        b.put(key, "").await;
    }
    let out = b
        .run(Txn::default().then([Op::delete_range(KeyRange::prefix("/a/"))]))
        .await;
    assert_eq!(out.responses, [OpResponse::Deleted(3)]);
    assert_eq!(b.keys(KeyRange::all()).await, ["/a", "/a0", "/b"]);
    let rest = Op::delete_range(KeyRange::span("/a", "/b"));
    b.run(Txn::default().then([rest])).await;
    assert_eq!(b.keys(KeyRange::all()).await, ["/b"]);
    b.run(Txn::default().then([Op::delete_range(KeyRange::all())]))
        .await;
    assert_eq!(b.keys(KeyRange::all()).await, Vec::<String>::new());
}

pub(crate) async fn keys_are_listed_in_byte_order_page_by_page(b: Bench) {
    let order = [
        "!",
        "/",
        "/A",
        "/a",
        "/a\0",
        "/a\0b",
        "/a/",
        "/ä",
        "\u{FFFF}",
        "\u{10000}",
    ];
    for key in order.iter().rev() {
        b.put(key, "").await;
    }
    assert_eq!(b.keys(KeyRange::all()).await, order);
    let mut range = KeyRange::all();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = b.store.range(range.clone(), 3).await.expect("reads");
        assert!(page.items.len() <= 3);
        seen.extend(page.items.iter().map(|kv| kv.key.clone()));
        if !page.more {
            break;
        }
        range = range.after(seen.last().expect("a page with more is not empty"));
    }
    assert_eq!(seen, order);
    let last = b.store.range(KeyRange::all(), order.len()).await;
    assert!(
        !last.expect("reads").more,
        "exactly at the end nothing is left"
    );
    assert_eq!(b.keys(KeyRange::key("/a")).await, ["/a"]);
    assert_eq!(
        b.keys(KeyRange::span("/a", "/a")).await,
        Vec::<String>::new()
    );
}

pub(crate) async fn limits_are_kept_and_named(b: Bench) {
    let put = |i: usize| Op::put(format!("/{i}"), "");
    let full = Txn::default().then((0..MAX_OPS).map(put));
    assert!(b.run(full).await.succeeded);
    let count = MAX_OPS + 1;
    let what = "operations";
    for txn in [
        Txn::default().then((0..count).map(put)),
        Txn::default().otherwise((0..count).map(put)),
    ] {
        let refused = b.store.txn(txn).await;
        assert_eq!(refused, Err(StoreError::TooManyOps { what, count }));
    }
    let many = (0..count).map(|i| Compare::absent(format!("/{i}")));
    let refused = b.store.txn(Txn::when(many)).await;
    let what = "comparisons";
    assert_eq!(refused, Err(StoreError::TooManyOps { what, count }));

    let big = |n| Op::put("/big", vec![7; n]);
    b.run(Txn::default().then([big(MAX_VALUE_BYTES)])).await;
    assert_eq!(
        b.value("/big").await.map(|v| v.len()),
        Some(MAX_VALUE_BYTES)
    );
    let (key, bytes) = ("/big".to_owned(), MAX_VALUE_BYTES + 1);
    let refused = b.store.txn(Txn::default().then([big(bytes)])).await;
    assert_eq!(refused, Err(StoreError::ValueTooLarge { key, bytes }));
    let two = Txn::default().then(["/a", "/b"].map(|k| Op::put(k, vec![7; 800_000])));
    let refused = b.store.txn(two).await;
    assert!(matches!(refused, Err(StoreError::TxnTooLarge { bytes }) if bytes > 1_600_000));

    for key in [String::new(), "k".repeat(MAX_KEY_BYTES + 1)] {
        let bytes = key.len();
        let refused = b
            .store
            .txn(Txn::default().then([Op::put(key.clone(), "")]))
            .await;
        assert_eq!(refused, Err(StoreError::BadKey { bytes }));
        assert_eq!(b.store.get(&key).await, Err(StoreError::BadKey { bytes }));
    }
    assert_eq!(b.get("/a").await, None);
}

pub(crate) async fn a_key_may_be_changed_once_per_transaction(b: Bench) {
    let put = || Op::put("/a/1", "");
    let refused = Err(StoreError::DuplicateKey { key: "/a/1".into() });
    for twice in [
        vec![put(), put()],
        vec![put(), Op::delete("/a/1")],
        vec![Op::delete_range(KeyRange::prefix("/a")), put()],
    ] {
        let failing = Txn::when([Compare::exists("/a/1")]);
        assert_eq!(
            b.store.txn(Txn::default().then(twice.clone())).await,
            refused
        );
        assert_eq!(b.store.txn(failing.then(twice)).await, refused);
    }
    let apart = Txn::default().then([put(), Op::delete_range(KeyRange::prefix("/b"))]);
    assert!(b.run(apart.otherwise([put()])).await.succeeded);
}

pub(crate) async fn concurrent_increments_are_all_counted(b: Bench) {
    let b = Arc::new(b);
    let add = |b: Arc<Bench>| async move {
        for _ in 0..20 {
            loop {
                let seen = b.get("/n").await;
                let n: u64 = seen.as_ref().map_or(0, |kv| {
                    let text = String::from_utf8_lossy(&kv.value).into_owned();
                    text.parse().expect("a number")
                });
                let txn = Txn::when([Compare::same("/n", seen.as_ref())])
                    .then([Op::put("/n", (n + 1).to_string())]);
                if b.run(txn).await.succeeded {
                    break;
                }
            }
        }
    };
    futures::future::join_all((0..4).map(|_| tokio::spawn(add(b.clone()))))
        .await
        .into_iter()
        .for_each(|done| done.expect("no panic"));
    let kv = b.get("/n").await.expect("exists");
    assert_eq!(kv.value, "80");
    assert_eq!((kv.version, kv.mod_revision), (80, Revision(81)));
}
