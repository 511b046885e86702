//! Tables, and how an older file becomes a present one.

use rusqlite::Connection;

/// Marks the file as ours in SQLite's header ("h8lo").
pub(super) const APPLICATION_ID: i64 = 0x6838_6c6f;

/// The format that this program writes.
pub(super) const VERSION: u64 = MIGRATIONS.len() as u64;

/// Step `n` turns format `n` into `n + 1`. Steps are never edited, only added.
const MIGRATIONS: &[&str] = &["
    -- One row: the counters. History is kept behind revision `compacted`.
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        revision INTEGER NOT NULL,
        compacted INTEGER NOT NULL,
        last_lease INTEGER NOT NULL
    ) STRICT;
    INSERT INTO meta VALUES (1, 1, 0, 0);
    -- Every change. `place` is the revision and the position in it, see `Place`.
    CREATE TABLE log (
        place INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        create_revision INTEGER NOT NULL,
        version INTEGER NOT NULL,
        lease INTEGER,
        value BLOB -- NULL: the key was deleted
    ) STRICT;
    -- The newest change of each key that exists.
    CREATE TABLE live (
        key TEXT PRIMARY KEY,
        place INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lease (
        id INTEGER PRIMARY KEY,
        ttl_seconds INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE leased (
        lease INTEGER NOT NULL,
        key TEXT NOT NULL,
        PRIMARY KEY (lease, key)
    ) STRICT, WITHOUT ROWID;
"];

/// Brings a file of format `found` to [`VERSION`], all or nothing.
pub(super) fn migrate(conn: &mut Connection, found: u64) -> rusqlite::Result<()> {
    let steps = &MIGRATIONS[(found as usize).min(MIGRATIONS.len())..];
    if steps.is_empty() {
        return Ok(());
    }
    let tx = conn.transaction()?;
    for step in steps {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", number(VERSION))?;
    tx.commit()
}

/// Bits of a place that count within a revision.
const POSITION_BITS: u32 = 20;

/// Most changes that one transaction can make.
pub(super) const MAX_CHANGES: u64 = 1 << POSITION_BITS;

/// The place of the change number `position` (below [`MAX_CHANGES`]) of `revision`. Places order
/// as changes do; 43 bits for the revision last 278 years at a thousand a second.
pub(super) const fn place(revision: u64, position: u64) -> i64 {
    number((revision << POSITION_BITS) | position)
}

/// The revision of a place.
pub(super) const fn revision_of(place: i64) -> u64 {
    place.cast_unsigned() >> POSITION_BITS
}

/// SQLite's integers are signed. Ours are counters that never reach the sign.
pub(super) const fn number(n: u64) -> i64 {
    n.cast_signed()
}
