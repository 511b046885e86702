//! The store under real faults: killed while it writes, writes that the kernel refuses, and a disk
//! that fails (EIO). The victim is this test binary, started again as a process of its own.
//!
//! A failing disk is played by strace, which lets chosen system calls of the victim on the store's
//! files end with EIO: all of SQLite and of our code above them is the real one.

#![expect(
    clippy::disallowed_methods,
    reason = "this test starts itself as a child process that it may kill"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use h8lio_coordinator::clock::SystemClock;
use h8lio_coordinator::store::sqlite::{SqliteOptions, SqliteStore};
use h8lio_coordinator::store::{KeyRange, Op, Store, StoreError, Txn, list};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const PATH: &str = "H8LIO_TEST_STORE";

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default(), Arc::new(SystemClock::new())).expect("opens")
}

/// The path of the store, in a process that the other tests have started.
fn given() -> PathBuf {
    PathBuf::from(std::env::var_os(PATH).expect("started by the test beside it"))
}

/// Starts the ignored test `name` of this binary. Writes behind a file size limit give errors
/// there instead of ending it.
fn victim(name: &str, path: &Path) -> Child {
    victim_under(&[], name, path)
}

/// As [`victim`], run by this command.
fn victim_under(command: &[&str], name: &str, path: &Path) -> Child {
    let me = std::env::current_exe().expect("has a path");
    Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .args(command)
        .arg(me)
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// Two keys with one value, so that half a transaction would show.
fn pair(name: &str, value: &[u8]) -> Txn {
    let ops = ["/a/", "/b/"].map(|p| Op::put(format!("{p}{name}"), value.to_vec()));
    Txn::default().then(ops)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run as a victim by the test below"]
async fn write_for_ever() {
    let store = Arc::new(open(&given()));
    let pid = std::process::id();
    let write = |task: usize| {
        let store = store.clone();
        async move {
            for n in 0.. {
                let name = format!("{pid}.{task}.{n}");
                let done = store.txn(pair(&name, &[7; 3000])).await.expect("written");
                // One write call per line, so that no line is torn by the kill.
                let line = format!("\nack {name} {}\n", done.revision);
                std::io::stdout()
                    .write_all(line.as_bytes())
                    .expect("says so");
            }
        }
    };
    futures::future::join_all((0..16).map(|t| tokio::spawn(write(t)))).await;
}

#[tokio::test]
async fn every_acknowledged_transaction_survives_sigkill() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..4 {
        let mut child = victim("write_for_ever", &path);
        let out = BufReader::new(child.stdout.take().expect("is piped"));
        let enough = acknowledged.len() + 100 + 170 * round;
        for line in out.lines() {
            let line = line.expect("reads");
            if let Some(ack) = line.strip_prefix("ack ") {
                let (name, revision) = ack.split_once(' ').expect("two words");
                acknowledged.insert(name.to_owned(), revision.parse().expect("a number"));
            }
            if acknowledged.len() == enough {
                child.kill().expect("is killed");
            }
        }
        child.wait().expect("has ended");
        assert!(acknowledged.len() >= enough, "it died too early");

        let store = open(&path);
        let read = async |prefix: &str| {
            let (items, _) = list(&store, KeyRange::prefix(prefix)).await.expect("reads");
            let pairs = items.into_iter().map(|kv| {
                let name = kv.key[prefix.len()..].to_owned();
                (name, kv.mod_revision.0)
            });
            pairs.collect::<BTreeMap<_, _>>()
        };
        let (a, b) = (read("/a/").await, read("/b/").await);
        assert_eq!(a, b, "no transaction is half there");
        for (name, revision) in &acknowledged {
            assert_eq!(a.get(name), Some(revision), "{name} was acknowledged");
        }
        let mut revisions: Vec<u64> = a.values().copied().collect();
        revisions.sort_unstable();
        let last = store.revision().await.expect("reads").0;
        assert_eq!(
            revisions,
            (2..=last).collect::<Vec<_>>(),
            "no revision is missing"
        );
    }
}

/// Sets the largest file this process may write; `None` for as large as before.
fn limit_files(bytes: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("reads");
    setrlimit(Resource::RLIMIT_FSIZE, bytes.unwrap_or(hard), hard).expect("sets");
}

#[tokio::test]
#[ignore = "run as a victim by the test below"]
async fn write_against_a_limit() {
    let store = open(&given());
    let mut acknowledged = 0;
    let mut write_until_refused = async || {
        for _ in 0..200 {
            match store.txn(pair(&acknowledged.to_string(), &[7; 3000])).await {
                Ok(_) => acknowledged += 1,
                Err(e) => return (e, acknowledged),
            }
        }
        panic!("never refused");
    };
    limit_files(Some(300 << 10));
    let (refused, written) = write_until_refused().await;
    assert!(matches!(refused, StoreError::Io { .. }), "{refused:?}");
    assert!(written > 5);
    let count = async || {
        let all = list(&store, KeyRange::all()).await;
        all.expect("reads go on").0.len()
    };
    assert_eq!(count().await, 2 * written);
    let group = (0..20).map(|i| store.txn(pair(&format!("g{i}"), &[7; 3000])));
    for out in futures::future::join_all(group).await {
        assert!(matches!(out, Err(StoreError::Io { .. })), "{out:?}");
    }
    assert_eq!(count().await, 2 * written, "nothing of the refused group");
    limit_files(None);
    store.txn(pair("again", &[])).await.expect("written again");
    // Torn writes lie behind the last commit now; another refusal must not reach what is there.
    limit_files(Some(0));
    let (refused, same) = write_until_refused().await;
    assert!(matches!(refused, StoreError::Io { .. }) && same == written);
    println!("\nwritten {written}");
}

#[tokio::test]
async fn refused_writes_are_errors_and_leave_the_store_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    let child = victim("write_against_a_limit", &path);
    let out = child.wait_with_output().expect("ends");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    let written = text.lines().find_map(|l| l.strip_prefix("written "));
    let written: usize = written.expect("says how many").parse().expect("a number");
    let store = open(&path);
    let (items, revision) = list(&store, KeyRange::all()).await.expect("reads");
    assert_eq!(items.len(), 2 * (written + 1));
    assert_eq!(revision.0 as usize, written + 2);
}

/// Writes one after the other, whatever becomes of it; says which were accepted, and how the others
/// ended.
#[tokio::test]
#[ignore = "run as a victim by the test below"]
async fn write_to_a_failing_disk() {
    let store = open(&given());
    let (mut accepted, mut refused) = (0, Vec::new());
    for n in 0..80 {
        match store.txn(pair(&n.to_string(), &[7; 3000])).await {
            Ok(_) => {
                accepted += 1;
                println!("\naccepted {n}");
            }
            Err(StoreError::Io { detail, .. }) => refused.push((n, detail)),
            Err(e) => panic!("another error: {e}"),
        }
        let all = list(&store, KeyRange::all()).await.expect("reads go on");
        assert_eq!(all.0.len(), 2 * accepted, "what was refused is not there");
    }
    for (n, detail) in refused {
        println!("\nrefused {n} {detail}");
    }
}

/// Lets the calls of these numbers of the victim fail with EIO; what was refused must say this
/// `code` of SQLite. The window lies in the middle of the eighty writes.
async fn a_disk_that_fails_for_a_while(calls: &str, window: &str, code: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    let text = path.to_str().expect("text");
    let (trace, wal) = (format!("trace={calls}"), format!("{text}-wal"));
    let inject = format!("inject={calls}:error=EIO:when={window}");
    let log = dir.path().join("strace.log");
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        log.to_str().expect("text"),
        "-P",
        text,
        "-P",
        &wal,
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let child = victim_under(&strace, "write_to_a_failing_disk", &path);
    let out = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}");
    let numbers = |word: &str| -> Vec<u32> {
        let lines = said.lines().filter_map(|l| l.strip_prefix(word));
        let first = lines.filter_map(|l| l.split_whitespace().next());
        first.map(|n| n.parse().expect("a number")).collect()
    };
    let (accepted, refused) = (numbers("accepted "), numbers("refused "));
    let log = std::fs::read_to_string(&log).expect("a log");
    assert!(log.contains("EIO") && log.contains("INJECTED"), "{log}");
    assert!(!refused.is_empty(), "{said}");
    assert!(said.contains(code), "{said}");
    let (first, last) = (accepted[0], accepted[accepted.len() - 1]);
    assert!(
        refused.iter().all(|n| first < *n && *n < last),
        "it wrote before and writes again: {said}"
    );
    let (items, revision) = list(&open(&path), KeyRange::all()).await.expect("reads");
    let mut found: Vec<u32> = items
        .iter()
        .filter_map(|kv| kv.key.strip_prefix("/a/")?.parse().ok())
        .collect();
    found.sort_unstable();
    assert_eq!(found, accepted, "all that was accepted and nothing else");
    assert_eq!(items.len(), 2 * accepted.len());
    assert_eq!(revision.0 as usize, accepted.len() + 1);
}

#[tokio::test]
async fn a_disk_that_fails_to_write_gives_errors_and_loses_nothing_that_was_accepted() {
    // SQLITE_IOERR_WRITE
    a_disk_that_fails_for_a_while("pwrite64", "200..209", "code 778").await;
}

#[tokio::test]
async fn a_disk_that_fails_to_sync_gives_errors_and_loses_nothing_that_was_accepted() {
    // SQLITE_IOERR_FSYNC
    a_disk_that_fails_for_a_while("fsync,fdatasync", "30..39", "code 1034").await;
}
