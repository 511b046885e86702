//! Leases.

use super::*;

const TTL: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(9);
const REST: Duration = Duration::from_secs(1);

async fn leased(b: &Bench, keys: &[&str]) -> LeaseId {
    let lease = b.store.lease_grant(TTL).await.expect("granted");
    assert_eq!(lease.ttl, TTL);
    let puts = keys.iter().map(|k| Op::put_leased(*k, "", lease.id));
    b.run(Txn::default().then(puts)).await;
    lease.id
}

pub(crate) async fn an_expired_lease_takes_its_keys_in_one_revision(b: Bench) {
    b.put("/stays", "").await;
    let id = leased(&b, &["/b", "/a"]).await;
    assert_eq!(b.get("/a").await.and_then(|kv| kv.lease), Some(id));
    b.pass(MOST).await;
    assert_eq!(b.keys(KeyRange::all()).await.len(), 3, "not a second early");
    let mut w = b.watch(KeyRange::all(), Revision(4)).await;
    b.pass(REST).await;
    assert_eq!(b.keys(KeyRange::all()).await, ["/stays"]);
    assert_eq!(b.revision().await, Revision(4));
    let mut gone = events(&mut w, 2).await;
    gone.sort();
    assert_eq!(gone, ["-/a@4", "-/b@4"]);
    let over = b.store.lease_keep_alive(id).await;
    assert_eq!(over, Err(StoreError::LeaseNotFound { id }));
    b.pass(TTL).await;
    assert_eq!(b.revision().await, Revision(4), "it ends once");
}

pub(crate) async fn a_lease_kept_alive_lives_on(b: Bench) {
    let id = leased(&b, &["/a"]).await;
    for _ in 0..3 {
        b.pass(MOST).await;
        assert_eq!(b.store.lease_keep_alive(id).await, Ok(TTL));
    }
    assert_eq!(
        b.revision().await,
        Revision(2),
        "keeping alive writes nothing"
    );
    b.pass(TTL).await;
    assert_eq!(b.get("/a").await, None);
}

pub(crate) async fn a_revoked_lease_takes_its_keys_at_once(b: Bench) {
    let id = leased(&b, &["/a", "/b"]).await;
    b.store.lease_revoke(id).await.expect("revokes");
    assert_eq!(b.keys(KeyRange::all()).await, Vec::<String>::new());
    let again = b.store.lease_revoke(id).await;
    assert_eq!(again, Err(StoreError::LeaseNotFound { id }));
    let late = Txn::default().then([Op::put_leased("/a", "", id)]);
    assert_eq!(
        b.store.txn(late).await,
        Err(StoreError::LeaseNotFound { id })
    );
}

pub(crate) async fn a_put_without_the_lease_frees_the_key(b: Bench) {
    let id = leased(&b, &["/a", "/b", "/c"]).await;
    let other = leased(&b, &["/c"]).await;
    b.put("/a", "mine").await;
    b.run(Txn::default().then([Op::delete("/b")])).await;
    b.put("/b", "anew").await;
    b.store.lease_revoke(id).await.expect("revokes");
    assert_eq!(b.keys(KeyRange::all()).await, ["/a", "/b", "/c"]);
    assert_eq!(b.get("/c").await.and_then(|kv| kv.lease), Some(other));
}

pub(crate) async fn an_unknown_lease_stops_the_whole_transaction(b: Bench) {
    let id = LeaseId(77);
    let ops = [Op::put("/a", ""), Op::put_leased("/b", "", id)];
    let unused = Txn::when([Compare::absent("/a")]).otherwise(ops.clone());
    assert!(
        b.run(unused).await.succeeded,
        "only the branch that runs counts"
    );
    let refused = b.store.txn(Txn::default().then(ops)).await;
    assert_eq!(refused, Err(StoreError::LeaseNotFound { id }));
    assert_eq!(b.keys(KeyRange::all()).await, Vec::<String>::new());
}

pub(crate) async fn lease_ids_are_not_reused_and_times_are_whole_seconds(b: Bench) {
    let grant = |ms| b.store.lease_grant(Duration::from_millis(ms));
    let first = grant(0).await.expect("granted");
    assert_eq!(first.ttl, Duration::from_secs(1));
    b.store.lease_revoke(first.id).await.expect("revokes");
    let second = grant(1001).await.expect("granted");
    assert_eq!(second.ttl, Duration::from_secs(2));
    assert_ne!(first.id, second.id);
}
