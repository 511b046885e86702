//! Reading, on connections of its own beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tokio::sync::Semaphore;

use super::fault::{self, Stop};
use super::open;
use super::schema::{number, place, revision_of};
use crate::store::RangePage;
use crate::store::error::StoreError;
use crate::store::key::{KeyRange, KeyValue, LeaseId, Revision};
use crate::store::watch::{History, WatchBatch, WatchEvent};

/// Reads at the same time.
const CONNECTIONS: usize = 4;
/// A batch of a watch ends at the first whole revision behind either.
const BATCH_EVENTS: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// A few connections that can only read.
pub(super) struct Reader {
    pool: Arc<Pool>,
    permits: Semaphore,
}

struct Pool {
    path: PathBuf,
    /// Opened when first needed, dropped when one failed.
    idle: Mutex<Vec<Connection>>,
}

impl Reader {
    pub(super) fn new(path: &Path) -> Self {
        let pool = Pool {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
        };
        Self {
            pool: Arc::new(pool),
            permits: Semaphore::new(CONNECTIONS),
        }
    }

    pub(super) fn name(&self) -> String {
        fault::name(&self.pool.path)
    }

    /// Runs `read` on a connection, off the async threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permits.acquire().await;
        let _permit = permit.map_err(|_| self.closed())?;
        let pool = self.pool.clone();
        let task = tokio::task::spawn_blocking(move || pool.run(read));
        // Fails only while the runtime is shut down, or after a panic.
        task.await.map_err(|_| self.closed())?
    }
}

impl Pool {
    fn run<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, Stop>,
    ) -> Result<T, StoreError> {
        let kept = self.idle().pop();
        let mut conn = match kept {
            Some(conn) => conn,
            None => open::read_only(&self.path).map_err(|e| fault::sqlite(&self.path, &e))?,
        };
        let out = read(&mut conn);
        if !matches!(out, Err(Stop::Sql(_))) {
            self.idle().push(conn);
        }
        out.map_err(|stop| stop.at(&self.path))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a range as SQLite compares it: a blob sorts behind every text.
pub(super) struct End<'a>(pub(super) &'a KeyRange);

impl ToSql for End<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0.end() {
            Some(end) => ValueRef::Text(end.as_bytes()),
            None => ValueRef::Blob(&[]),
        }))
    }
}

/// Columns of `log` that [`key_value`] reads.
macro_rules! columns {
    () => {
        "log.place, log.key, log.create_revision, log.version, log.lease, log.value"
    };
}

fn key_value(row: &Row<'_>) -> rusqlite::Result<KeyValue> {
    let unsigned = |i| row.get(i).map(i64::cast_unsigned);
    Ok(KeyValue {
        mod_revision: Revision(revision_of(row.get(0)?)),
        key: row.get(1)?,
        create_revision: Revision(unsigned(2)?),
        version: unsigned(3)?,
        lease: row.get::<_, Option<i64>>(4)?.map(lease_id),
        value: Bytes::copy_from_slice(row.get_ref(5)?.as_blob()?),
    })
}

pub(super) const fn lease_id(n: i64) -> LeaseId {
    LeaseId(n.cast_unsigned())
}

pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<KeyValue>, Stop> {
    let mut q = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM live JOIN log USING (place) WHERE live.key = ?1"
    ))?;
    Ok(q.query_row([key], key_value).optional()?)
}

pub(super) fn range(
    conn: &mut Connection,
    range: &KeyRange,
    limit: usize,
) -> Result<RangePage, Stop> {
    let limit = limit.max(1);
    let tx = conn.transaction()?;
    let (revision, _) = counters(&tx)?;
    let mut items: Vec<KeyValue> = {
        let mut q = tx.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM live JOIN log USING (place) WHERE live.key >= ?1 AND live.key < ?2 ",
            "ORDER BY live.key LIMIT ?3"
        ))?;
        let most = number(limit.saturating_add(1).min(i64::MAX as usize) as u64);
        let rows = q.query_map(params![range.start(), End(range), most], key_value)?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(RangePage {
        items,
        more,
        revision,
    })
}

/// Present revision, and the one up to which history is gone.
fn counters(conn: &Connection) -> rusqlite::Result<(Revision, Revision)> {
    let mut q = conn.prepare_cached("SELECT revision, compacted FROM meta")?;
    q.query_row([], |row| {
        let counter = |i| row.get(i).map(i64::cast_unsigned).map(Revision);
        Ok((counter(0)?, counter(1)?))
    })
}

fn since(conn: &mut Connection, range: &KeyRange, from: Revision) -> Result<WatchBatch, Stop> {
    // One snapshot: nothing is compacted between looking and reading.
    let tx = conn.transaction()?;
    let (revision, compacted) = counters(&tx)?;
    if from <= compacted {
        return Err(Stop::Refused(StoreError::Compacted { from, compacted }));
    }
    let mut batch = WatchBatch {
        revision,
        events: Vec::new(),
    };
    let mut q = tx.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM log WHERE place >= ?1 AND key >= ?2 AND key < ?3 ORDER BY place"
    ))?;
    let mut rows = q.query(params![place(from.0, 0), range.start(), End(range)])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let mod_revision = Revision(revision_of(row.get(0)?));
        let full = batch.events.len() >= BATCH_EVENTS || bytes >= BATCH_BYTES;
        if let Some(last) = batch.events.last().map(WatchEvent::mod_revision)
            && full
            && last < mod_revision
        {
            batch.revision = last;
            break;
        }
        batch.events.push(match row.get_ref(5)? {
            ValueRef::Null => WatchEvent::Delete {
                key: row.get(1)?,
                mod_revision,
            },
            _ => WatchEvent::Put(key_value(row)?),
        });
        bytes += match batch.events.last() {
            Some(WatchEvent::Put(kv)) => kv.value.len(),
            _ => 0,
        };
    }
    Ok(batch)
}

#[async_trait]
impl History for Reader {
    async fn since(&self, range: &KeyRange, from: Revision) -> Result<WatchBatch, StoreError> {
        let range = range.clone();
        self.run(move |conn| since(conn, &range, from)).await
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { store: self.name() }
    }
}
