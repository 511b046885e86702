use super::*;
use crate::clock::ManualClock;
use crate::registry::testing;
use crate::store::Store;
use crate::store::memory::MemoryStore;

const S: Duration = Duration::from_secs(1);

/// An observer of one node that waits for approval, and what moves it.
async fn pending() -> (Observer, Arc<Registry>, Arc<ManualClock>, NodeId) {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
    let mut record = testing::record(1, "n1");
    record.admission = Admission::Pending;
    testing::put(store.as_ref(), &record).await;
    let registry = Registry::load(store, clock.now()).await.expect("loads");
    let registry = Arc::new(registry);
    let (observer, _) = Observer::new(
        Arc::clone(&registry),
        Feed::new(Arc::clone(&clock) as _),
        Arc::clone(&clock) as _,
        Arc::default(),
        Timing::for_beat(S),
    );
    (observer, registry, clock, record.id)
}

#[tokio::test]
async fn a_node_that_waited_through_a_pause_has_its_full_grace_when_it_is_approved() {
    let (mut observer, registry, clock, id) = pending().await;
    clock.advance(S * 60);
    observer.tick();
    for _ in 0..400 {
        clock.advance(S / 4);
        observer.tick();
    }
    let approve = |r: &mut crate::registry::records::NodeRecord| {
        r.admission = Admission::Enrolled;
        true
    };
    let node = registry
        .update(id, clock.now(), approve)
        .await
        .expect("approved");
    for _ in 0..4 {
        clock.advance(S / 4);
        observer.tick();
    }
    assert_eq!(node.verdict().availability, Availability::WarmingUp);
}
