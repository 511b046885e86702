//! How many durable transactions a second the SQLite store makes.
//!
//! `cargo run --release --example store_puts -- [DIRECTORY] [CALLERS] [SECONDS]`; by default the
//! present directory, 64 callers, 3 seconds. The file is removed at the end.

#![expect(clippy::print_stdout, reason = "prints its result")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use h8lio_coordinator::clock::SystemClock;
use h8lio_coordinator::store::sqlite::{SqliteOptions, SqliteStore};
use h8lio_coordinator::store::{Op, Store, Txn};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| ".".to_owned()));
    let callers: usize = args
        .next()
        .map_or(Ok(64), |a| a.parse())
        .context("CALLERS")?;
    let seconds: u64 = args
        .next()
        .map_or(Ok(3), |a| a.parse())
        .context("SECONDS")?;
    let path = dir.join(format!("store_puts.{}.db", std::process::id()));
    let clock = Arc::new(SystemClock::new());
    let store = Arc::new(SqliteStore::open(&path, SqliteOptions::default(), clock)?);

    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let put = |caller: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = 0_u64;
            while Instant::now() < end {
                let key = format!("/bench/{caller}/{}", done % 64);
                store
                    .txn(Txn::default().then([Op::put(key, vec![7; 256])]))
                    .await?;
                done += 1;
            }
            Ok::<_, h8lio_coordinator::store::StoreError>(done)
        })
    };
    let mut total = 0;
    for caller in (0..callers).map(put).collect::<Vec<_>>() {
        total += caller.await??;
    }
    let took = start.elapsed().as_secs_f64();
    let commits = store.stats().commits();
    println!(
        "{callers} callers: {:.0} durable transactions/s in {:.0} commits/s, {:.1} per commit",
        total as f64 / took,
        commits as f64 / took,
        total as f64 / commits.max(1) as f64,
    );
    drop(store);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut file = path.clone().into_os_string();
        file.push(suffix);
        // Those that a clean end has removed already are gone.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}
