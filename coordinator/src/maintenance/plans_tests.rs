use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{Generation, OrderContent};
use h8lio_model::plan::{NodeProgress, NodeState, PlanContent, PlannedOrder, RolloutProgress};
use rstest::rstest;

use super::*;
use crate::clock::ManualClock;
use crate::maintenance::testing::{Cut, Fragile, id};
use crate::store::memory::MemoryStore;
use crate::store::{self, MAX_VALUE_BYTES};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(ManualClock::default())))
}

/// A plan over so many nodes that follows `parent`.
fn child(parent: &Plan, nodes: u128, second: i64) -> Plan {
    let generation = Generation(u64::try_from(second).expect("positive"));
    let planned = PlannedOrder {
        generation,
        content: OrderContent::quiet(Scheduling::Active),
    };
    let part = NodeProgress {
        state: NodeState::Waiting,
        wave: 1,
        tries: 0,
        since: at(second),
    };
    let progress = RolloutProgress {
        begun_at: at(second),
        resolved: Vec::new(),
        unread: Default::default(),
        wave: 1,
        nodes: (0..nodes).map(|n| (id(n), part)).collect(),
    };
    let content = PlanContent {
        orders: (0..nodes).map(|n| (id(n), planned.clone())).collect(),
        slots: Default::default(),
        rollouts: [("march".parse().expect("a name"), progress)].into(),
    };
    parent.child(at(second), content)
}

fn draft() -> AuditDraft {
    AuditDraft {
        at: at(9),
        actor: "coordinator".to_owned(),
        action: "attempt.ended".to_owned(),
        target: "plan/1".to_owned(),
        reason: "a test".to_owned(),
        ticket: None,
        request_id: String::new(),
        request: "{}".to_owned(),
    }
}

async fn audit(store: &Arc<dyn Store>) -> AuditLog {
    AuditLog::start(Arc::clone(store)).await.expect("starts")
}

async fn load(store: &Arc<dyn Store>) -> Plans {
    let plans = Plans::load(Arc::clone(store), at(0)).await;
    plans.expect("whole")
}

/// Names of plans of which there are parts.
async fn names(store: &dyn Store) -> Vec<String> {
    let (items, _) = store::list(store, KeyRange::prefix(PLANS))
        .await
        .expect("read");
    let mut names: Vec<_> = items
        .iter()
        .filter_map(|kv| kv.key.strip_prefix(PLANS)?.split('/').next())
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

#[tokio::test]
async fn a_plan_that_is_larger_than_one_value_is_written_and_read() {
    let store = memory();
    let audit = audit(&store).await;
    let mut plans = load(&store).await;
    let plan = child(plans.current(), 7_000, 1);
    assert!(records::write(&plan).len() > MAX_VALUE_BYTES);
    plans
        .advance(plan.clone(), &audit, None)
        .await
        .expect("written");
    assert_eq!(plans.current(), &plan);
    assert_eq!(load(&store).await.current(), &plan);
    assert_eq!(names(store.as_ref()).await, [plan.id().to_string()]);
}

/// scenario: 11 (unit)
#[rstest]
#[case(Cut::Before)]
#[case(Cut::After)]
#[case(Cut::Unheard)]
#[case(Cut::Full)]
#[tokio::test]
async fn wherever_a_write_is_cut_off_the_old_plan_or_the_new_one_stands_whole(#[case] cut: Cut) {
    let mut stood = std::collections::BTreeSet::new();
    for writes in 1..12 {
        let inner = memory();
        let fragile = Fragile::new(Arc::clone(&inner));
        let store: Arc<dyn Store> = Arc::clone(&fragile) as _;
        let log = audit(&store).await;
        let mut plans = load(&store).await;
        let old = child(plans.current(), 4_000, 1);
        plans
            .advance(old.clone(), &log, None)
            .await
            .expect("written");
        let new = child(&old, 4_000, 2);
        fragile.set(Some((writes, cut)));
        let told = plans.advance(new.clone(), &log, Some(draft())).await;
        let was_cut = fragile.is_cut() || told.is_err();
        // The process that lives on, once the store is well again.
        fragile.set(None);
        if plans.is_unsettled() {
            plans.settle().await.expect("read");
        }
        // The one that starts anew.
        let mut again = load(&inner).await;
        assert_eq!(plans.current(), again.current(), "{cut:?} at {writes}");
        let is_new = again.current() == &new;
        assert!(is_new || again.current() == &old, "{cut:?} at {writes}");
        assert!(
            is_new || told.is_err(),
            "{cut:?} at {writes}: said to be written"
        );
        let entries = log.read(0, 10).await.expect("read");
        assert_eq!(entries.len(), usize::from(is_new), "{cut:?} at {writes}");
        again.sweep().await.expect("swept");
        let target = again.current().id().to_string();
        assert_eq!(names(inner.as_ref()).await, [target], "{cut:?} at {writes}");
        stood.insert((was_cut, is_new));
    }
    assert!(
        stood.contains(&(true, false)),
        "{cut:?} was met before the head"
    );
    assert!(
        stood.contains(&(false, true)),
        "{cut:?} came after everything"
    );
}

#[tokio::test]
async fn tries_that_fail_leave_one_heap_of_parts_and_no_more() {
    let inner = memory();
    let fragile = Fragile::new(Arc::clone(&inner));
    let store: Arc<dyn Store> = Arc::clone(&fragile) as _;
    let log = audit(&store).await;
    let mut plans = load(&store).await;
    for second in 1..6 {
        // The sweep and one part are taken, the head is not.
        fragile.set(Some((3, Cut::Full)));
        let plan = child(plans.current(), 10, second);
        plans.advance(plan, &log, None).await.expect_err("refused");
        assert!(
            !plans.is_unsettled(),
            "a full store says that nothing was done"
        );
        assert!(names(inner.as_ref()).await.len() <= 1);
    }
}

#[tokio::test]
async fn a_plan_that_follows_another_one_is_not_taken() {
    let store = memory();
    let log = audit(&store).await;
    let mut plans = load(&store).await;
    let first = child(plans.current(), 3, 1);
    plans
        .advance(first.clone(), &log, None)
        .await
        .expect("written");
    let stranger = child(&Plan::root(at(77)), 3, 2);
    let refused = plans.advance(stranger, &log, None).await;
    assert!(matches!(refused, Err(PlansError::Overtaken)), "{refused:?}");
    assert_eq!(load(&store).await.current(), &first);
}

#[tokio::test]
async fn who_planned_from_a_plan_that_was_overtaken_loses_and_reads_again() {
    let store = memory();
    let log = audit(&store).await;
    let mut first = load(&store).await;
    let base = child(first.current(), 3, 1);
    first
        .advance(base.clone(), &log, None)
        .await
        .expect("written");
    let mut second = load(&store).await;
    let wins = child(&base, 3, 2);
    second
        .advance(wins.clone(), &log, None)
        .await
        .expect("written");
    let loses = child(&base, 3, 3);
    let refused = first.advance(loses, &log, Some(draft())).await;
    assert!(matches!(refused, Err(PlansError::Overtaken)), "{refused:?}");
    assert_eq!(log.read(0, 10).await.expect("read"), []);
    first.settle().await.expect("read");
    assert_eq!(first.current(), &wins);
    assert_eq!(load(&store).await.current(), &wins);
}

#[rstest]
#[case("gone", None, "is missing")]
#[case("altered", Some("{}"), "its parts are not those that were written")]
#[tokio::test]
async fn a_plan_that_is_not_whole_is_named(
    #[case] what: &str,
    #[case] instead: Option<&'static str>,
    #[case] says: &str,
) {
    let store = memory();
    let log = audit(&store).await;
    let mut plans = load(&store).await;
    let plan = child(plans.current(), 3, 1);
    plans
        .advance(plan.clone(), &log, None)
        .await
        .expect("written");
    let key = part_key(plan.id(), 0);
    let op = match instead {
        Some(text) => Op::put(key, text),
        None => Op::delete(key),
    };
    store.txn(Txn::default().then([op])).await.expect("written");
    let error = Plans::load(store, at(2)).await.expect_err(what).to_string();
    let name = plan.id().to_string();
    assert!(error.contains(&name) && error.contains(says), "{error}");
}
