//! Putting a copy of the store back, on the coordinator's own machine while it is stopped.
//!
//! The copy is opened and checked beside the store before anything is replaced, and what was there is
//! kept. That it was put back is written into the copy itself: whichever of the two a crash leaves in
//! place says the truth about itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::bans;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::life::{self, LifeError};
use crate::ownership;
use crate::recovery::{RESTORED, Restored};
use crate::registry::records::{self, NODES};
use crate::store::sqlite::backup::{ASIDE, Replacement};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{self, KeyRange, Op, Store, StoreError, Txn};

/// What to put back, and why.
#[derive(Debug, Clone)]
pub struct Wish {
    pub from: PathBuf,
    pub by: String,
    pub reason: String,
}

/// What was put back.
#[derive(Debug)]
pub struct Done {
    /// The store that was there before; `None` when there was none.
    pub aside: Option<PathBuf>,
    pub nodes: usize,
    pub epoch: u64,
}

/// Why nothing was put back. The store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("a reason has 1 to 1,024 bytes: say why (--reason)")]
    Reason,
    #[error("{} was not put back; the store is as it was", from.display())]
    Store {
        from: PathBuf,
        #[source]
        source: StoreError,
    },
    #[error("{} was not put back; the store is as it was", from.display())]
    Life {
        from: PathBuf,
        #[source]
        source: LifeError,
    },
    #[error("{} is a store without a coordinator's life: nothing was ever started on it", path.display())]
    Empty { path: PathBuf },
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("{} was put back, but cannot be given to the service's user; do that by hand (chown)", path.display())]
    Owner {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Puts the copy in the place of the store.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(settings: &Settings, wish: &Wish, now: Timestamp) -> Result<Done, RestoreError> {
    if wish.reason.trim().is_empty() || wish.reason.len() > 1_024 {
        return Err(RestoreError::Reason);
    }
    let store = |source| RestoreError::Store {
        from: wish.from.clone(),
        source,
    };
    let replacement = Replacement::begin(&settings.store, &wish.from).map_err(store)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(RestoreError::Runtime)?;
    let (nodes, epoch) = runtime.block_on(mark(settings, wish, replacement.draft(), now))?;
    // What is left of the copy's readers ends with it.
    drop(runtime);
    let aside = replacement.finish(&format!("{ASIDE}{}", now.as_second()));
    let aside = aside.map_err(store)?;
    own(&settings.store, aside.as_deref())?;
    Ok(Done {
        aside,
        nodes,
        epoch,
    })
}

/// Opens the copy, which checks every page of it and brings it to the present format, and writes
/// into it what it is.
async fn mark(
    settings: &Settings,
    wish: &Wish,
    draft: &Path,
    now: Timestamp,
) -> Result<(usize, u64), RestoreError> {
    let from = || wish.from.clone();
    let unread = |source| RestoreError::Store {
        from: from(),
        source,
    };
    let unfit = |source| RestoreError::Life {
        from: from(),
        source,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let copy = SqliteStore::open(draft, SqliteOptions::default(), clock).map_err(unread)?;
    let Some((life, _)) = life::stored(&copy).await.map_err(unfit)? else {
        return Err(RestoreError::Empty { path: from() });
    };
    life::belongs(&life, &settings.fleet).map_err(unfit)?;
    let nodes = store::list(&copy, KeyRange::prefix(NODES)).await;
    let (nodes, _) = nodes.map_err(unread)?;
    let restored = Restored {
        at: now,
        by: wish.by.clone(),
        reason: wish.reason.trim().to_owned(),
        file: wish.from.display().to_string(),
        settled: false,
    };
    let put = Op::put(RESTORED, records::write(&restored));
    let written = copy.txn(Txn::when([]).then([put])).await;
    written.map_err(unread)?;
    Ok((nodes.len(), life.epoch))
}

/// An administrator puts back what a service user owns.
fn own(store: &Path, aside: Option<&Path>) -> Result<(), RestoreError> {
    let folder = store.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Behind a link stands the file itself; its name decides what lies beside it.
    let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
    let beside = |path: &Path, part: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(part);
        PathBuf::from(name)
    };
    let mut paths = vec![store.clone(), beside(&store, ".lock"), bans::path(&store)];
    for part in ["", "-wal", "-shm"] {
        paths.extend(aside.map(|aside| beside(aside, part)));
    }
    paths.retain(|path| path.exists());
    for path in paths {
        ownership::give_to_owner_of(folder, &path).map_err(|source| RestoreError::Owner {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}
