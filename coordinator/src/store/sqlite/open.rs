//! Opening the file: who wrote it, is it whole, is it of this format.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::SqliteOptions;
use super::fault;
use super::schema::{self, APPLICATION_ID, VERSION, number};
use crate::store::error::StoreError;
use crate::store::key::{LeaseId, Revision};

/// How long a statement waits for another program (a backup, a person's shell) to let go.
const BUSY: Duration = Duration::from_secs(5);

/// A file that is ready to be written.
pub(super) struct Opened {
    pub(super) conn: Connection,
    pub(super) revision: Revision,
    pub(super) leases: Vec<(LeaseId, Duration)>,
}

/// Opens, checks and migrates. The caller holds the lock.
pub(super) fn open(path: &Path, options: SqliteOptions) -> Result<Opened, StoreError> {
    create(path).map_err(|e| fault::io(path, &e))?;
    let sql = |e: rusqlite::Error| fault::sqlite(path, &e);
    let mut conn = connect(path).map_err(sql)?;
    let found = identify(path, &conn)?;
    if conn.is_readonly("main").map_err(sql)? {
        let store = fault::name(path);
        return Err(StoreError::ReadOnly { store });
    }
    configure(&conn, options).map_err(sql)?;
    check(path, &conn)?;
    schema::migrate(&mut conn, found).map_err(sql)?;
    let (revision, leases) = load(&conn).map_err(sql)?;
    Ok(Opened {
        conn,
        revision,
        leases,
    })
}

/// A writing connection to a file that [`open`] has seen before.
pub(super) fn reopen(path: &Path, options: SqliteOptions) -> rusqlite::Result<Connection> {
    let conn = connect(path)?;
    configure(&conn, options)?;
    Ok(conn)
}

/// A connection that can only read.
pub(super) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

/// Creates the file when there is none, for this user alone: it holds token hashes and names.
fn create(path: &Path) -> std::io::Result<()> {
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match new {
        Ok(file) => {
            file.sync_all()?;
            let dir = path.parent().filter(|d| !d.as_os_str().is_empty());
            File::open(dir.unwrap_or_else(|| Path::new(".")))?.sync_all()
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

fn configure(conn: &Connection, options: SqliteOptions) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // The WAL shrinks back to this once a burst is over.
    conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    if let Some(bytes) = options.max_bytes {
        let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (number(bytes) / page.max(1)).max(1);
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// The format of the file; 0 when it is new.
fn identify(path: &Path, conn: &Connection) -> Result<u64, StoreError> {
    let ask = |what: &str| {
        let read = conn.query_row(what, [], |row| row.get::<_, i64>(0));
        read.map_err(|e| fault::sqlite(path, &e))
    };
    let tables = ask("SELECT count(*) FROM sqlite_schema")?;
    let (owner, found) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    let found = found.cast_unsigned();
    let store = fault::name(path);
    match owner {
        APPLICATION_ID if found > VERSION => Err(StoreError::Newer {
            store,
            found,
            known: VERSION,
        }),
        APPLICATION_ID => Ok(found),
        0 if tables == 0 => Ok(0),
        _ => Err(StoreError::Foreign { store }),
    }
}

/// Reads every page once. A damaged store must not be built upon.
fn check(path: &Path, conn: &Connection) -> Result<(), StoreError> {
    let ask = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match ask.map_err(|e| fault::sqlite(path, &e))? {
        ok if ok == "ok" => Ok(()),
        found => Err(StoreError::Corrupt {
            store: fault::name(path),
            detail: found.replace('\n', " "),
        }),
    }
}

fn load(conn: &Connection) -> rusqlite::Result<(Revision, Vec<(LeaseId, Duration)>)> {
    let revision = conn.query_row("SELECT revision FROM meta", [], |row| row.get(0))?;
    let mut leases = conn.prepare("SELECT id, ttl_seconds FROM lease")?;
    let leases = leases.query_map([], |row| {
        let (id, ttl): (i64, i64) = (row.get(0)?, row.get(1)?);
        let ttl = Duration::from_secs(ttl.cast_unsigned());
        Ok((LeaseId(id.cast_unsigned()), ttl))
    })?;
    let leases = leases.collect::<rusqlite::Result<_>>()?;
    Ok((Revision(i64::cast_unsigned(revision)), leases))
}
