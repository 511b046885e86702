//! What work does to the tables, inside a savepoint of the group's transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Stop;
use super::read::{self, End};
use super::schema::{MAX_CHANGES, number, place, revision_of};
use super::writer::{Done, Work};
use crate::store::error::StoreError;
use crate::store::key::{KeyRange, LeaseId, Revision};
use crate::store::txn::{Op, OpResponse, Txn, TxnResult};

/// Revisions forgotten for each that a group makes, while too many are kept: so the history
/// shrinks however fast it grows, and no commit is much slower than others.
const FORGET: u64 = 2;

/// The counters of the store while a group is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    revision: u64,
    compacted: u64,
    last_lease: u64,
    /// As they stand in the file.
    stored: (u64, u64, u64),
}

/// The row of a live key that is about to be replaced.
struct Old {
    place: i64,
    create_revision: i64,
    version: i64,
    lease: Option<i64>,
}

/// The changes of one transaction: all at one revision, numbered.
struct Changes {
    revision: u64,
    count: u64,
}

impl Changes {
    fn next(&mut self) -> Result<i64, Stop> {
        if self.count >= MAX_CHANGES {
            let allowed = MAX_CHANGES;
            return Err(Stop::Refused(StoreError::TooManyKeys { allowed }));
        }
        self.count += 1;
        Ok(place(self.revision, self.count - 1))
    }
}

impl Batch {
    pub(super) fn load(conn: &Connection) -> Result<Self, Stop> {
        let mut q = conn.prepare_cached("SELECT revision, compacted, last_lease FROM meta")?;
        let (revision, compacted, last_lease) = q.query_row([], |row| {
            let counter = |i| row.get(i).map(i64::cast_unsigned);
            Ok((counter(0)?, counter(1)?, counter(2)?))
        })?;
        Ok(Self {
            revision,
            compacted,
            last_lease,
            stored: (revision, compacted, last_lease),
        })
    }

    pub(super) const fn revision(&self) -> Revision {
        Revision(self.revision)
    }

    /// Writes the counters if they moved; a group that changed nothing costs no sync.
    pub(super) fn save(&self, conn: &Connection) -> Result<(), Stop> {
        let now = (self.revision, self.compacted, self.last_lease);
        if now != self.stored {
            let sql = "UPDATE meta SET revision = ?1, compacted = ?2, last_lease = ?3";
            let now = params![number(now.0), number(now.1), number(now.2)];
            conn.prepare_cached(sql)?.execute(now)?;
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, conn: &Connection, work: &Work) -> Result<Done, Stop> {
        match work {
            Work::Txn(txn) => self.txn(conn, txn).map(Done::Txn),
            Work::Grant(ttl) => {
                self.last_lease += 1;
                let row = params![number(self.last_lease), number(ttl.as_secs())];
                conn.prepare_cached("INSERT INTO lease VALUES (?1, ?2)")?
                    .execute(row)?;
                Ok(Done::Granted(LeaseId(self.last_lease)))
            }
            Work::EndLease(id) => self.end_lease(conn, *id).map(|()| Done::Nothing),
            Work::Compact(upto) => {
                let upto = upto.0.min(self.revision);
                self.compact(conn, upto).map(|()| Done::Nothing)
            }
        }
    }

    fn txn(&mut self, conn: &Connection, txn: &Txn) -> Result<TxnResult, Stop> {
        let mut succeeded = true;
        for c in &txn.compares {
            succeeded = succeeded && c.holds(read::get(conn, &c.key)?.as_ref());
        }
        let ops = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let mut changes = self.changes();
        let mut responses = Vec::with_capacity(ops.len());
        for op in ops {
            responses.push(self.op(conn, &mut changes, op)?);
        }
        self.record(&changes);
        Ok(TxnResult {
            succeeded,
            revision: self.revision(),
            responses,
        })
    }

    fn op(&self, conn: &Connection, changes: &mut Changes, op: &Op) -> Result<OpResponse, Stop> {
        match op {
            Op::Get { key } => read::get(conn, key).map(OpResponse::Get),
            Op::Put { key, value, lease } => {
                self.put(conn, changes, key, value, *lease)?;
                Ok(OpResponse::Put)
            }
            Op::Delete { key } => self.delete(conn, changes, &KeyRange::key(key.as_str())),
            Op::DeleteRange { range } => self.delete(conn, changes, range),
        }
    }

    fn put(
        &self,
        conn: &Connection,
        changes: &mut Changes,
        key: &str,
        value: &[u8],
        lease: Option<LeaseId>,
    ) -> Result<(), Stop> {
        let lease_number = lease.map(|l| number(l.0));
        if let Some(id) = lease {
            let known = "SELECT 1 FROM lease WHERE id = ?1";
            if !conn.prepare_cached(known)?.exists([lease_number])? {
                return Err(Stop::Refused(StoreError::LeaseNotFound { id }));
            }
        }
        let place = changes.next()?;
        let old = old(conn, key)?;
        let (create, version) = old.as_ref().map_or((number(changes.revision), 0), |o| {
            (o.create_revision, o.version)
        });
        conn.prepare_cached(
            "INSERT INTO log (place, key, create_revision, version, lease, value) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            place,
            key,
            create,
            version + 1,
            lease_number,
            value
        ])?;
        conn.prepare_cached("INSERT OR REPLACE INTO live (key, place) VALUES (?1, ?2)")?
            .execute(params![key, place])?;
        if let Some(old) = old {
            self.replaced(conn, key, &old)?;
        }
        if lease.is_some() {
            conn.prepare_cached("INSERT INTO leased (lease, key) VALUES (?1, ?2)")?
                .execute(params![lease_number, key])?;
        }
        Ok(())
    }

    fn delete(
        &self,
        conn: &Connection,
        changes: &mut Changes,
        range: &KeyRange,
    ) -> Result<OpResponse, Stop> {
        let keys = strings(
            conn,
            "SELECT key FROM live WHERE key >= ?1 AND key < ?2 ORDER BY key",
            params![range.start(), End(range)],
        )?;
        for key in &keys {
            self.delete_key(conn, changes, key)?;
        }
        Ok(OpResponse::Deleted(keys.len() as u64))
    }

    fn delete_key(&self, conn: &Connection, changes: &mut Changes, key: &str) -> Result<(), Stop> {
        let Some(old) = old(conn, key)? else {
            return Ok(());
        };
        conn.prepare_cached(
            "INSERT INTO log (place, key, create_revision, version) VALUES (?1, ?2, 0, 0)",
        )?
        .execute(params![changes.next()?, key])?;
        conn.prepare_cached("DELETE FROM live WHERE key = ?1")?
            .execute([key])?;
        self.replaced(conn, key, &old)
    }

    /// Cleans up behind a row that is not the newest of its key any more. Compaction passed over
    /// it while it was live, so behind the compacted revision it has to go now.
    fn replaced(&self, conn: &Connection, key: &str, old: &Old) -> Result<(), Stop> {
        if let Some(lease) = old.lease {
            conn.prepare_cached("DELETE FROM leased WHERE lease = ?1 AND key = ?2")?
                .execute(params![lease, key])?;
        }
        if revision_of(old.place) <= self.compacted {
            conn.prepare_cached("DELETE FROM log WHERE place = ?1")?
                .execute([old.place])?;
        }
        Ok(())
    }

    fn end_lease(&mut self, conn: &Connection, id: LeaseId) -> Result<(), Stop> {
        let lease = number(id.0);
        let ended = conn
            .prepare_cached("DELETE FROM lease WHERE id = ?1")?
            .execute([lease])?;
        if ended == 0 {
            return Err(Stop::Refused(StoreError::LeaseNotFound { id }));
        }
        let of = "SELECT key FROM leased WHERE lease = ?1 ORDER BY key";
        let keys = strings(conn, of, params![lease])?;
        let mut changes = self.changes();
        for key in &keys {
            self.delete_key(conn, &mut changes, key)?;
        }
        self.record(&changes);
        Ok(())
    }

    /// Forgets the oldest revisions when more than `keep` are kept, some at a time.
    pub(super) fn forget(&mut self, conn: &Connection, keep: u64) -> Result<(), Stop> {
        let upto = self.revision.saturating_sub(keep);
        let most = FORGET * (self.revision - self.stored.0);
        self.compact(conn, upto.min(self.compacted + most))
    }

    fn compact(&mut self, conn: &Connection, upto: u64) -> Result<(), Stop> {
        if upto > self.compacted {
            let (from, to) = (place(self.compacted + 1, 0), place(upto + 1, 0));
            conn.prepare_cached(
                "DELETE FROM log WHERE place >= ?1 AND place < ?2 AND NOT EXISTS \
                 (SELECT 1 FROM live WHERE live.key = log.key AND live.place = log.place)",
            )?
            .execute([from, to])?;
            self.compacted = upto;
        }
        Ok(())
    }

    const fn changes(&self) -> Changes {
        Changes {
            revision: self.revision + 1,
            count: 0,
        }
    }

    /// The changes become a revision, if there are any.
    fn record(&mut self, changes: &Changes) {
        if changes.count > 0 {
            self.revision = changes.revision;
        }
    }
}

fn old(conn: &Connection, key: &str) -> Result<Option<Old>, Stop> {
    let mut q = conn.prepare_cached(
        "SELECT place, create_revision, version, lease FROM live JOIN log USING (place) \
         WHERE live.key = ?1",
    )?;
    let row = q.query_row([key], |row| {
        Ok(Old {
            place: row.get(0)?,
            create_revision: row.get(1)?,
            version: row.get(2)?,
            lease: row.get(3)?,
        })
    });
    Ok(row.optional()?)
}

fn strings(
    conn: &Connection,
    sql: &str,
    params: &[&dyn rusqlite::ToSql],
) -> Result<Vec<String>, Stop> {
    let mut q = conn.prepare_cached(sql)?;
    let rows = q.query_map(params, |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
