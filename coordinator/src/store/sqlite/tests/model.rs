//! Random histories, run on the model in memory and on SQLite: every answer must be the same.

use futures::StreamExt;
use proptest::prelude::*;

use super::*;
use crate::store::WatchEvent;
use crate::store::memory::MemoryStore;
use crate::store::txn::{CompareOp, Target};

#[derive(Debug, Clone)]
enum Step {
    Txn(Txn),
    Range(KeyRange, usize),
    Grant(u64),
    KeepAlive(u64),
    Revoke(u64),
    Pass(u64),
    Compact(u64),
    Reopen,
    History(KeyRange, u64),
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "/",
        "/a",
        "/a/",
        "/a/1",
        "/a/2",
        "/ä",
        "/b",
        "/\u{10000}",
        "z",
    ])
    .prop_map(str::to_owned)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        Just(KeyRange::all()),
        key().prop_map(KeyRange::key),
        key().prop_map(KeyRange::prefix),
        (key(), key()).prop_map(|(a, b)| KeyRange::span(a, b)),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 7, 255]), 0..3)
}

fn lease() -> impl Strategy<Value = Option<LeaseId>> {
    prop_oneof![3 => Just(None), 1 => (1..5u64).prop_map(|n| Some(LeaseId(n)))]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (key(), value(), lease()).prop_map(|(key, value, lease)| {
            let value = value.into();
            Op::Put { key, value, lease }
        }),
        1 => key().prop_map(Op::get),
        2 => key().prop_map(Op::delete),
        1 => range().prop_map(Op::delete_range),
    ]
}

fn compare() -> impl Strategy<Value = Compare> {
    use CompareOp::{Equal, Greater, Less, NotEqual};
    let op = prop::sample::select(vec![Equal, NotEqual, Less, Greater]);
    let target = prop_oneof![
        (0..20u64).prop_map(|r| Target::CreateRevision(Revision(r))),
        (0..20u64).prop_map(|r| Target::ModRevision(Revision(r))),
        (0..4u64).prop_map(Target::Version),
        value().prop_map(|v| Target::Value(v.into())),
        lease().prop_map(Target::Lease),
    ];
    (key(), op, target).prop_map(|(key, op, target)| Compare::new(key, op, target))
}

fn step() -> impl Strategy<Value = Step> {
    let ops = || prop::collection::vec(op(), 0..4);
    let txn = (prop::collection::vec(compare(), 0..2), ops(), ops());
    prop_oneof![
        12 => txn.prop_map(|(c, s, f)| Step::Txn(Txn::when(c).then(s).otherwise(f))),
        2 => (range(), 0..4usize).prop_map(|(r, n)| Step::Range(r, n)),
        2 => (0..5000u64).prop_map(Step::Grant),
        1 => (1..6u64).prop_map(Step::KeepAlive),
        1 => (1..6u64).prop_map(Step::Revoke),
        1 => (0..4000u64).prop_map(Step::Pass),
        1 => (0..30u64).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
        2 => (range(), 1..30u64).prop_map(|(r, n)| Step::History(r, n)),
    ]
}

/// The store's answer to `step`, as text.
async fn answer(store: &dyn Store, clock: &ManualClock, step: &Step) -> String {
    let lease = |n: &u64| LeaseId(*n);
    match step {
        Step::Txn(txn) => format!("{:?}", store.txn(txn.clone()).await),
        Step::Range(r, n) => format!("{:?}", store.range(r.clone(), *n).await),
        Step::Grant(ms) => format!("{:?}", store.lease_grant(Duration::from_millis(*ms)).await),
        Step::KeepAlive(n) => format!("{:?}", store.lease_keep_alive(lease(n)).await),
        Step::Revoke(n) => format!("{:?}", store.lease_revoke(lease(n)).await),
        Step::Pass(ms) => {
            clock.advance(Duration::from_millis(*ms));
            // Leases that end together: each is a revision, oldest first, in both.
            format!("{:?}", store.tick().await)
        }
        Step::Compact(n) => format!("{:?}", store.compact(Revision(*n)).await),
        Step::Reopen => String::new(),
        Step::History(r, from) => history(store, r, Revision(*from)).await,
    }
}

/// Events in `range` from `from` on, or the error. A change made at the end marks where to stop.
async fn history(store: &dyn Store, range: &KeyRange, from: Revision) -> String {
    let end = store.revision().await.expect("reads");
    let mut stream = match store.watch(range.clone(), from).await {
        Ok(stream) => stream,
        Err(e) => return format!("{e:?}"),
    };
    let mark = Some(range.start()).filter(|k| !k.is_empty()).unwrap_or("m");
    if !range.contains(mark) || from > end {
        return String::new();
    }
    store.txn(put(mark, "mark")).await.expect("writes");
    let mut seen = Vec::new();
    while seen
        .last()
        .is_none_or(|e: &WatchEvent| e.mod_revision() <= end)
    {
        let next = tokio::time::timeout(Duration::from_secs(20), stream.next());
        let batch = next.await.expect("answers").expect("goes on");
        seen.extend(batch.expect("no error").events);
    }
    format!("{seen:?}")
}

/// What both must agree on after every step.
async fn state(store: &dyn Store) -> String {
    format!("{:?}", list(store, KeyRange::all()).await)
}

async fn compare_stores(steps: Vec<Step>) {
    let (_dir, path) = place();
    let clock = Arc::new(ManualClock::default());
    let open = || SqliteStore::open(&path, SqliteOptions::default(), clock.clone()).expect("opens");
    let model_clock = Arc::new(ManualClock::default());
    let model = MemoryStore::new(model_clock.clone());
    let mut store = open();
    for (i, step) in steps.iter().enumerate() {
        if matches!(step, Step::Reopen) {
            drop(store);
            store = open();
            model.restart_leases();
        }
        let want = answer(&model, &model_clock, step).await;
        let got = answer(&store, &clock, step).await;
        assert_eq!(got, want, "step {i}: {step:?}");
        assert_eq!(
            state(&store).await,
            state(&model).await,
            "after step {i}: {step:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sqlite_answers_as_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(compare_stores(steps));
    }
}
