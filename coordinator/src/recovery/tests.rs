use h8lio_model::order::Generation;
use uuid::Uuid;

use super::*;
use crate::clock::SystemClock;
use crate::store::memory::MemoryStore;

fn node(n: u128) -> NodeId {
    NodeId::new(Uuid::from_u128(n))
}

fn name() -> NodeName {
    "n1".parse().expect("a name")
}

fn number(epoch: u64, generation: u64) -> OrderNumber {
    OrderNumber {
        epoch: Epoch(epoch),
        generation: Generation(generation),
    }
}

fn behind(n: u128, epoch: u64) -> Behind {
    Behind {
        node: node(n),
        seen: number(epoch, 1),
        known: number(1, 0),
    }
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock::new())))
}

async fn load(store: &Arc<dyn Store>) -> Recovery {
    Recovery::load(Arc::clone(store)).await.expect("read")
}

#[tokio::test]
async fn a_node_that_is_ahead_is_known_after_a_restart_and_highest_counts() {
    let store = store();
    let recovery = load(&store).await;
    assert_eq!(recovery.lost(), None);
    for (n, epoch) in [(1, 5), (2, 9)] {
        let why = behind(n, epoch);
        let named = name();
        let noted = recovery.note(&named, &why, Timestamp::UNIX_EPOCH);
        noted.await.expect("stored");
    }
    let after = load(&store).await;
    assert_eq!(after.state().highest(), Epoch(9));
    let lost = after.lost().expect("frozen").to_string();
    assert!(
        lost.contains("5.1") && lost.contains("backup accept"),
        "{lost}"
    );
}

#[tokio::test]
async fn what_is_noted_already_is_not_written_again() {
    let store = store();
    let recovery = load(&store).await;
    recovery
        .note(&name(), &behind(1, 5), Timestamp::UNIX_EPOCH)
        .await
        .expect("stored");
    let revision = store.revision().await.expect("a revision");
    recovery
        .note(&name(), &behind(1, 5), Timestamp::MAX)
        .await
        .expect("known");
    assert_eq!(store.revision().await.expect("a revision"), revision);
    recovery
        .note(&name(), &behind(1, 6), Timestamp::MAX)
        .await
        .expect("news");
    assert!(store.revision().await.expect("a revision") > revision);
}

#[tokio::test]
async fn a_node_that_left_the_fleet_is_forgotten_for_good() {
    let store = store();
    let recovery = load(&store).await;
    recovery
        .note(&name(), &behind(1, 5), Timestamp::UNIX_EPOCH)
        .await
        .expect("stored");
    recovery.forget(node(1)).await.expect("stored");
    assert_eq!(recovery.lost(), None);
    assert_eq!(load(&store).await.lost(), None);
}
