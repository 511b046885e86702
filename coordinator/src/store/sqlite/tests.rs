//! The contract, and what only a file has: reopening, owners, damage, a full disk. Crashes and
//! failing writes of a real process are in tests/store_faults.rs of this crate.

mod model;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::store::contract::{self, Bench};
use crate::store::txn::Op;
use crate::store::{Compare, list};

fn fresh() -> Bench {
    let (dir, path) = place();
    let clock = Arc::new(ManualClock::default());
    let store = SqliteStore::open(&path, SqliteOptions::default(), clock.clone()).expect("opens");
    Bench {
        store: Arc::new(store),
        clock,
        _keep: Some(dir),
    }
}

contract::suite!(fresh);

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    (dir, path)
}

fn try_open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, options, Arc::new(ManualClock::default()))
}

fn open(path: &Path) -> SqliteStore {
    try_open(path, SqliteOptions::default()).expect("opens")
}

fn put(key: impl Into<String>, value: impl Into<bytes::Bytes>) -> Txn {
    Txn::default().then([Op::put(key, value)])
}

async fn dump(store: &SqliteStore) -> (Vec<KeyValue>, Revision) {
    list(store, KeyRange::all()).await.expect("reads")
}

#[tokio::test]
async fn a_reopened_store_is_the_same_with_its_history() {
    let (_dir, path) = place();
    let store = open(&path);
    for i in 0..5 {
        store
            .txn(put(format!("/{}", i % 2), "v"))
            .await
            .expect("written");
    }
    store.compact(Revision(3)).await.expect("compacts");
    let before = dump(&store).await;
    drop(store);
    let store = open(&path);
    assert_eq!(dump(&store).await, before);
    assert_eq!(store.revision().await, Ok(Revision(6)));
    assert!(store.watch(KeyRange::all(), Revision(4)).await.is_ok());
    let gone = store.watch(KeyRange::all(), Revision(3)).await.err();
    assert!(
        matches!(gone, Some(StoreError::Compacted { .. })),
        "{gone:?}"
    );
    let next = store.txn(put("/a", "")).await.expect("written");
    assert_eq!(next.revision, Revision(7));
}

#[tokio::test]
async fn leases_outlive_a_restart_with_their_full_time() {
    let (_dir, path) = place();
    let clock = Arc::new(ManualClock::default());
    let reopen = || SqliteStore::open(&path, SqliteOptions::default(), clock.clone());
    let store = reopen().expect("opens");
    let ttl = Duration::from_secs(10);
    let lease = store.lease_grant(ttl).await.expect("granted");
    let leased = Txn::default().then([Op::put_leased("/a", "", lease.id)]);
    store.txn(leased).await.expect("written");
    clock.advance(ttl - Duration::from_secs(1));
    drop(store);
    let store = reopen().expect("opens");
    clock.advance(ttl - Duration::from_secs(1));
    store.tick().await.expect("ticks");
    assert!(store.get("/a").await.expect("reads").is_some());
    clock.advance(Duration::from_secs(1));
    store.tick().await.expect("ticks");
    assert_eq!(store.get("/a").await, Ok(None));
    let next = store.lease_grant(ttl).await.expect("granted");
    assert!(next.id > lease.id);
}

#[tokio::test]
async fn the_file_is_for_its_user_alone() {
    let (dir, path) = place();
    let store = open(&path);
    store.txn(put("/a", "")).await.expect("written");
    let files = std::fs::read_dir(dir.path()).expect("lists");
    let mut names = Vec::new();
    for file in files {
        let file = file.expect("lists");
        names.push(file.file_name());
        assert_eq!(
            file.metadata().expect("stats").mode() & 0o777,
            0o600,
            "{file:?}"
        );
    }
    assert!(names.len() >= 3, "{names:?}");
}

#[test]
fn a_commit_waits_for_the_disk() {
    let (_dir, path) = place();
    let opened = open::open(&path, SqliteOptions::default()).expect("opens");
    let again = open::reopen(&path, SqliteOptions::default()).expect("opens");
    for conn in [&opened.conn, &again] {
        let ask = |what| conn.pragma_query_value(None, what, |row| row.get::<_, String>(0));
        assert_eq!(ask("journal_mode"), Ok("wal".to_owned()));
        let full = conn.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
        assert_eq!(full, Ok(2));
    }
}

#[test]
fn a_second_coordinator_is_kept_out_and_told_by_whom() {
    let (_dir, path) = place();
    let first = open(&path);
    let refused = try_open(&path, SqliteOptions::default()).expect_err("is locked");
    let holder = Some(std::process::id());
    let store = path.display().to_string();
    assert_eq!(refused, StoreError::Locked { store, holder });
    let line = refused.to_string();
    assert!(
        line.contains(&format!("another coordinator (pid {})", std::process::id())),
        "{line}"
    );
    drop(first);
    open(&path);
}

#[test]
fn a_second_coordinator_is_kept_out_whatever_it_calls_the_file() {
    let (dir, path) = place();
    let folder = dir.path().join("folder");
    std::os::unix::fs::symlink(dir.path(), &folder).expect("linked");
    let by_folder = folder.join(path.file_name().expect("a name"));
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let nowhere = try_open(&link, SqliteOptions::default()).expect_err("leads to nothing");
    assert!(nowhere.to_string().contains("symbolic link"), "{nowhere}");
    // Also the first start, when there is no file yet.
    let first = open(&by_folder);
    for name in [&path, &link, &by_folder] {
        let refused = try_open(name, SqliteOptions::default()).expect_err("is locked");
        assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    }
    drop(first);
    drop(open(&link));
    std::fs::hard_link(&path, dir.path().join("hard.db")).expect("linked");
    let refused = try_open(&path, SqliteOptions::default()).expect_err("two names");
    assert!(
        matches!(refused, StoreError::Linked { links: 2, .. }),
        "{refused}"
    );
    std::fs::remove_file(dir.path().join("hard.db")).expect("removed");
    open(&path);
}

#[tokio::test]
async fn transactions_that_wait_share_a_commit() {
    let (_dir, path) = place();
    let store = open(&path);
    let before = store.stats().commits();
    let all = (0..400).map(|i| store.txn(put(format!("/{i}"), "v")));
    let mut revisions: Vec<u64> = futures::future::join_all(all)
        .await
        .into_iter()
        .map(|r| r.expect("written").revision.0)
        .collect();
    revisions.sort_unstable();
    assert_eq!(
        revisions,
        (2..402).collect::<Vec<_>>(),
        "each has its own revision"
    );
    assert_eq!(store.stats().jobs(), 400);
    let commits = store.stats().commits() - before;
    assert!(commits < 40, "{commits} commits for 400 transactions");
}

#[tokio::test]
async fn a_refused_transaction_does_not_stop_its_group() {
    let (_dir, path) = place();
    let store = open(&path);
    let all = (0..60).map(|i| {
        let op = match i % 3 {
            0 => Op::put_leased(format!("/{i}"), "v", LeaseId(9)),
            _ => Op::put(format!("/{i}"), "v"),
        };
        store.txn(Txn::default().then([Op::put("/last", i.to_string()), op]))
    });
    for (i, out) in futures::future::join_all(all).await.into_iter().enumerate() {
        assert_eq!(out.is_err(), i % 3 == 0, "{i}: {out:?}");
    }
    assert_eq!(store.revision().await, Ok(Revision(41)));
    let (items, _) = dump(&store).await;
    assert_eq!(items.len(), 41);
    let last = items.iter().find(|kv| kv.key == "/last").expect("exists");
    assert_eq!((&last.value[..], last.version), (&b"59"[..], 40));
}

#[tokio::test]
async fn history_is_bounded_and_the_file_with_it() {
    let (_dir, path) = place();
    let options = SqliteOptions {
        history: 50,
        ..SqliteOptions::default()
    };
    let store = try_open(&path, options).expect("opens");
    store.txn(put("/kept", "for ever")).await.expect("written");
    for _ in 0..10 {
        let all = (0..100).map(|i| store.txn(put(format!("/{}", i % 5), vec![7; 2000])));
        for out in futures::future::join_all(all).await {
            out.expect("written");
        }
    }
    let rows = store.reader.run(|conn| {
        Ok(conn.query_row("SELECT count(*) FROM log", [], |row| row.get::<_, i64>(0))?)
    });
    let rows = rows.await.expect("reads");
    assert!(
        (50..=60).contains(&rows),
        "{rows} rows for 50 revisions and 6 keys"
    );
    assert_eq!(
        store
            .get("/kept")
            .await
            .expect("reads")
            .expect("kept")
            .version,
        1
    );
    assert!(
        store
            .watch(KeyRange::all(), Revision(1040 - 49))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_full_store_refuses_writes_reads_on_and_recovers_by_itself() {
    let (_dir, path) = place();
    let options = SqliteOptions {
        history: 10,
        max_bytes: Some(400 << 10),
    };
    let store = try_open(&path, options).expect("opens");
    let mut written = Vec::new();
    let full = loop {
        let key = format!("/{:03}", written.len());
        match store.txn(put(key.clone(), vec![7; 8 << 10])).await {
            Ok(_) => written.push(key),
            Err(e) => break e,
        }
        assert!(written.len() < 100, "it never was full");
    };
    let name = path.display().to_string();
    assert_eq!(full, StoreError::Full { store: name });
    assert!(written.len() > 20);
    let before = dump(&store).await;
    let keys: Vec<_> = before.0.iter().map(|kv| kv.key.clone()).collect();
    assert_eq!(
        keys, written,
        "every acknowledged key, and none that was refused"
    );
    // A whole group gets the error, and nothing of it stays.
    let all = (0..10).map(|i| store.txn(put(format!("/g{i}"), vec![7; 40 << 10])));
    for out in futures::future::join_all(all).await {
        assert!(matches!(out, Err(StoreError::Full { .. })), "{out:?}");
    }
    assert_eq!(dump(&store).await, before);
    // Room is made: deleting is possible, and once the history has let go so is writing.
    let room = Txn::default().then([Op::delete_range(KeyRange::span("/000", "/020"))]);
    let freed = store.txn(room).await.expect("deletes");
    store.compact(freed.revision).await.expect("compacts");
    store
        .txn(put("/again", vec![7; 40 << 10]))
        .await
        .expect("written");
    assert_eq!(store.revision().await, Ok(freed.revision.next()));
}

/// A file system of one megabyte. Needs the right to mount; without it the test says so.
///
/// scenario: 14 (unit)
#[tokio::test]
async fn a_full_disk_refuses_writes_reads_on_and_recovers_by_itself() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let dir = tempfile::tempdir().expect("a directory");
    let data = Some("size=1m,mode=0700");
    if let Err(e) = mount(
        Some("none"),
        dir.path(),
        Some("tmpfs"),
        MsFlags::empty(),
        data,
    ) {
        eprintln!("not run: cannot mount a small file system here ({e})");
        return;
    }
    let path = dir.path().join("store.db");
    {
        let store = open(&path);
        store.txn(put("/a", "before")).await.expect("written");
        let ballast = dir.path().join("ballast");
        // Until nothing fits any more.
        let filled = std::fs::write(&ballast, vec![7; 4 << 20]);
        assert_eq!(
            filled.map_err(|e| e.kind()),
            Err(std::io::ErrorKind::StorageFull)
        );
        let mut acknowledged = 0;
        let full = loop {
            match store
                .txn(put(format!("/b{acknowledged}"), vec![7; 8 << 10]))
                .await
            {
                Ok(_) => acknowledged += 1,
                Err(e) => break e,
            }
        };
        let name = path.display().to_string();
        assert_eq!(full, StoreError::Full { store: name });
        assert_eq!(dump(&store).await.0.len(), acknowledged + 1, "reads go on");
        std::fs::remove_file(&ballast).expect("removes");
        store.txn(put("/a", "after")).await.expect("written again");
        drop(store);
        let store = open(&path);
        let kv = store.get("/a").await.expect("reads").expect("exists");
        assert_eq!(kv.value, "after");
    }
    umount2(dir.path(), MntFlags::MNT_DETACH).expect("unmounts");
}

#[test]
fn a_directory_that_cannot_be_written_is_named_read_only() {
    let (dir, path) = place();
    let mode = |m| std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(m));
    mode(0o555).expect("sets");
    // Root may write anywhere: on this thread alone, be nobody.
    let nobody = nix::unistd::Uid::from_raw(65534);
    let me = nix::unistd::setfsuid(nobody);
    let refused = try_open(&path, SqliteOptions::default());
    nix::unistd::setfsuid(me);
    mode(0o700).expect("sets");
    let store = path.display().to_string();
    assert_eq!(refused.map(drop), Err(StoreError::ReadOnly { store }));
}

#[test]
fn a_file_that_cannot_be_written_is_named_read_only() {
    let (dir, path) = place();
    drop(open(&path));
    let mode = |path: &Path, m| std::fs::set_permissions(path, PermissionsExt::from_mode(m));
    for (path, m) in [(dir.path(), 0o777), (&path, 0o444)] {
        mode(path, m).expect("sets");
    }
    mode(&lock_file(&path), 0o666).expect("sets");
    let me = nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
    let refused = try_open(&path, SqliteOptions::default());
    nix::unistd::setfsuid(me);
    let store = path.display().to_string();
    assert_eq!(refused.map(drop), Err(StoreError::ReadOnly { store }));
}

fn lock_file(path: &Path) -> PathBuf {
    path.with_extension("db.lock")
}

/// A writer without its thread, for what can only be done to its connection.
fn writer(path: &Path) -> Writer {
    let opened = open::open(path, SqliteOptions::default()).expect("opens");
    Writer {
        path: path.to_owned(),
        options: SqliteOptions::default(),
        conn: Some(opened.conn),
        head: tokio::sync::watch::channel(opened.revision).0,
        leases: Arc::default(),
        clock: Arc::new(ManualClock::default()),
        stats: Arc::default(),
        failing: None,
    }
}

fn write(writer: &mut Writer) -> Result<(), StoreError> {
    let (reply, mut answer) = oneshot::channel();
    let work = Work::Txn(put("/a", ""));
    writer.group(vec![Job { work, reply }]);
    answer.try_recv().expect("is answered").map(drop)
}

#[tokio::test]
async fn a_store_that_turns_read_only_refuses_writes_and_reads_on() {
    let (_dir, path) = place();
    let mut writer = writer(&path);
    let query_only = |writer: &Writer, on: bool| {
        let conn = writer.conn.as_ref().expect("is kept");
        conn.pragma_update(None, "query_only", on).expect("sets");
    };
    query_only(&writer, true);
    let store = path.display().to_string();
    assert_eq!(write(&mut writer), Err(StoreError::ReadOnly { store }));
    assert_eq!(writer.stats.failures(), 1);
    let reader = Reader::new(&path);
    assert_eq!(reader.run(|conn| read::get(conn, "/a")).await, Ok(None));
    query_only(&writer, false);
    assert_eq!(write(&mut writer), Ok(()));
}

#[test]
fn a_connection_left_in_a_bad_state_is_put_right() {
    let (_dir, path) = place();
    let mut writer = writer(&path);
    let conn = writer.conn.as_ref().expect("is there");
    conn.execute_batch("BEGIN; UPDATE meta SET revision = 99")
        .expect("begins");
    assert!(write(&mut writer).is_err(), "a transaction is open");
    assert_eq!(write(&mut writer), Ok(()), "and was rolled back");
    assert_eq!(*writer.head.borrow(), Revision(2));
    writer.conn = None;
    assert_eq!(write(&mut writer), Ok(()), "opened again");
    assert_eq!(*writer.head.borrow(), Revision(3));
}

#[test]
fn a_missing_directory_and_a_directory_in_place_are_named() {
    let (dir, path) = place();
    let refused = try_open(&dir.path().join("none/store.db"), SqliteOptions::default());
    let line = refused.expect_err("refused").to_string();
    assert!(
        line.contains("none/store.db") && line.contains("does not exist"),
        "{line}"
    );
    std::fs::create_dir(&path).expect("creates");
    let line = try_open(&path, SqliteOptions::default())
        .expect_err("refused")
        .to_string();
    assert!(
        line.contains("cannot open the store") && line.contains("store.db"),
        "{line}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_way_out() {
    let (_dir, path) = place();
    let store = open(&path);
    for i in 0..200 {
        store
            .txn(put(format!("/{i:04}"), vec![7; 1000]))
            .await
            .expect("written");
    }
    drop(store);
    let whole = std::fs::read(&path).expect("reads");
    let mut torn = whole.clone();
    let page = 4096;
    for n in (5..whole.len() / page).step_by(7) {
        torn[n * page..n * page + 200].fill(0xA5);
    }
    let junk = b"this is no database, but long enough to be taken for one".repeat(40);
    for (what, bytes) in [
        ("pages overwritten", torn),
        ("cut in half", whole[..whole.len() / 2].to_vec()),
        ("another file", junk),
    ] {
        std::fs::write(&path, bytes).expect("writes");
        let refused = try_open(&path, SqliteOptions::default()).expect_err(what);
        assert!(
            matches!(refused, StoreError::Corrupt { .. }),
            "{what}: {refused:?}"
        );
        let line = refused.to_string();
        assert!(
            line.contains("put a backup in its place") && !line.contains('\n'),
            "{line}"
        );
    }
    std::fs::write(&path, whole).expect("writes");
    assert_eq!(
        dump(&open(&path)).await.0.len(),
        200,
        "the lock was let go each time"
    );
}

#[test]
fn a_foreign_and_a_newer_file_are_left_alone() {
    let (_dir, path) = place();
    let sql = |sql: &str| {
        let conn = rusqlite::Connection::open(&path).expect("opens");
        conn.execute_batch(sql).expect("runs");
    };
    sql("CREATE TABLE theirs (a)");
    let store = path.display().to_string();
    let refused = try_open(&path, SqliteOptions::default());
    assert_eq!(
        refused.map(drop),
        Err(StoreError::Foreign {
            store: store.clone()
        })
    );
    sql("DROP TABLE theirs");
    drop(open(&path));
    sql("PRAGMA user_version = 99");
    let (found, known) = (99, schema::VERSION);
    let refused = try_open(&path, SqliteOptions::default());
    assert_eq!(
        refused.map(drop),
        Err(StoreError::Newer {
            store,
            found,
            known
        })
    );
}

#[tokio::test]
async fn what_was_handed_over_is_done_though_its_caller_went_away() {
    let (_dir, path) = place();
    let store = open(&path);
    let handed = std::pin::pin!(store.txn(put("/a", "")));
    // Polled once: it is in the queue.
    assert!(futures::poll!(handed).is_pending());
    store
        .txn(Txn::when([Compare::exists("/a")]).then([Op::put("/b", "")]))
        .await
        .map(|out| assert!(out.succeeded))
        .expect("written");
}
