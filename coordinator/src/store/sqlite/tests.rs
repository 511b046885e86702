//! The contract, and what only a file has: reopening, owners, damage, a full disk.

use std::sync::Arc;

use super::*;
use crate::clock::ManualClock;
use crate::store::contract::{self, Bench};

fn fresh() -> Bench {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::default());
    let path = dir.path().join("store.db");
    let store = SqliteStore::open(&path, SqliteOptions::default(), clock.clone()).expect("opens");
    Bench {
        store: Arc::new(store),
        clock,
        _keep: Some(dir),
    }
}

contract::suite!(fresh);
