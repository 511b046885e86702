//! Durable writes into the coordinator's own store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use h8lio_coordinator::clock::SystemClock;
use h8lio_coordinator::store::sqlite::{SqliteOptions, SqliteStore};
use h8lio_coordinator::store::{Op, Store as _, Txn};
use tokio::task::JoinSet;

use super::super::clock;
use super::orders::Puts;

/// Bytes of a value: a node's record has about as many.
pub const VALUE_BYTES: usize = 512;

/// Transactions of one put each by `callers` at the same time.
pub async fn puts(file: &Path, callers: usize, window: Duration) -> anyhow::Result<Puts> {
    let time = Arc::new(SystemClock::new());
    let store = SqliteStore::open(file, SqliteOptions::default(), time)?;
    let store = Arc::new(store);
    let mut work = JoinSet::new();
    let start = clock::now();
    for caller in 0..callers {
        let store = Arc::clone(&store);
        work.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < window {
                let key = format!("/bench/{caller}/{}", times.len() % 64);
                let from = clock::now();
                store
                    .txn(Txn::default().then([Op::put(key, vec![7; VALUE_BYTES])]))
                    .await?;
                times.push(from.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok::<_, h8lio_coordinator::store::StoreError>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(caller) = work.join_next().await {
        times.extend(caller.context("a caller panicked")??);
    }
    Ok(Puts::from_times(times, start.elapsed()))
}
