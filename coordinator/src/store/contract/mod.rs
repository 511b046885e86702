//! What every store does, as tests over any backend. A backend runs them all by
//! `contract::suite!(fresh)`, where `fresh` makes a [`Bench`] with an empty store.

pub(crate) mod lease;
pub(crate) mod txn;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;

use super::*;
use crate::clock::ManualClock;

/// An empty store with the clock that drives it.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    /// What must live as long as the store.
    pub(crate) _keep: Option<tempfile::TempDir>,
}

impl Bench {
    /// Lets time pass for the leases.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.store.tick().await.expect("ticks");
    }

    async fn put(&self, key: &str, value: &str) -> Revision {
        self.run(Txn::default().then([Op::put(key, value.to_owned())]))
            .await
            .revision
    }

    async fn run(&self, txn: Txn) -> TxnResult {
        self.store.txn(txn).await.expect("the transaction runs")
    }

    async fn get(&self, key: &str) -> Option<KeyValue> {
        self.store.get(key).await.expect("reads")
    }

    async fn value(&self, key: &str) -> Option<Bytes> {
        self.get(key).await.map(|kv| kv.value)
    }

    async fn keys(&self, range: KeyRange) -> Vec<String> {
        let (items, _) = list(&*self.store, range).await.expect("lists");
        items.into_iter().map(|kv| kv.key).collect()
    }

    async fn revision(&self) -> Revision {
        self.store.revision().await.expect("reads")
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> WatchStream {
        self.store.watch(range, from).await.expect("watches")
    }
}

/// The next item of a watch; the test fails when there is none for long.
async fn next(stream: &mut WatchStream) -> Option<Result<WatchBatch, StoreError>> {
    tokio::time::timeout(Duration::from_secs(20), stream.next())
        .await
        .expect("the watch answers")
}

/// Reads batches until `count` events are there and says them as `+key=value@rev` or `-key@rev`.
async fn events(stream: &mut WatchStream, count: usize) -> Vec<String> {
    let mut out = Vec::new();
    while out.len() < count {
        let batch = next(stream).await.expect("goes on").expect("no error");
        out.extend(batch.events.iter().map(say));
    }
    out
}

fn say(event: &WatchEvent) -> String {
    match event {
        WatchEvent::Put(kv) => {
            let value = String::from_utf8_lossy(&kv.value);
            format!("+{}={value}@{}", kv.key, kv.mod_revision)
        }
        WatchEvent::Delete { key, mod_revision } => format!("-{key}@{mod_revision}"),
    }
}

/// Declares the suite's tests for the backend that `$fresh` makes.
macro_rules! suite {
    ($fresh:ident) => {
        $crate::store::contract::suite!(@ $fresh, txn: [
            a_new_store_is_empty_at_revision_one
            a_put_is_read_back_with_its_history
            a_deleted_key_starts_anew
            only_one_of_two_writers_with_the_same_view_wins
            the_failure_branch_runs_and_answers_when_a_comparison_fails
            every_target_and_operator_compares_as_in_etcd
            a_missing_key_compares_as_zero_and_never_by_value
            operations_see_the_ones_before_them
            one_transaction_is_one_revision
            what_changes_nothing_keeps_the_revision
            a_refused_transaction_leaves_no_trace
            a_range_is_deleted_to_its_end_and_no_further
            keys_are_listed_in_byte_order_page_by_page
            limits_are_kept_and_named
            a_key_may_be_changed_once_per_transaction
            concurrent_increments_are_all_counted
        ]);
        $crate::store::contract::suite!(@ $fresh, watch: [
            a_watch_resumes_at_any_kept_revision
            a_watch_sees_what_comes_and_only_its_range
            a_watch_from_zero_starts_with_the_next_change
            a_watch_may_wait_for_a_future_revision
            a_revision_arrives_whole_and_in_order
            a_compacted_history_is_said_at_once
            a_watcher_overtaken_by_compaction_gets_an_error_and_no_gap
            a_watch_ends_with_an_error_when_the_store_closes
            a_watcher_sees_every_change_of_many_writers_once
        ]);
        $crate::store::contract::suite!(@ $fresh, lease: [
            an_expired_lease_takes_its_keys_in_one_revision
            a_lease_kept_alive_lives_on
            a_revoked_lease_takes_its_keys_at_once
            a_put_without_the_lease_frees_the_key
            an_unknown_lease_stops_the_whole_transaction
            lease_ids_are_not_reused_and_times_are_whole_seconds
        ]);
    };
    (@ $fresh:ident, $module:ident: [$($name:ident)*]) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::store::contract::$module::$name(super::$fresh()).await;
                }
            )*
        }
    };
}
pub(crate) use suite;
