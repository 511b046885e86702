//! Which process a record means, read from /proc.
//!
//! The lab's namespace has process ids of its own but keeps the machine's /proc. So a path below
//! /proc takes the machine's id everywhere, and `kill` takes the id of the caller's namespace.

use std::fs;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Record;

/// Whether this very process runs; one that ended and waits to be reaped does not.
pub(super) fn is(record: &Record) -> bool {
    started(record.pid) == Some(record.started) && boot().is_ok_and(|boot| boot == record.boot)
}

/// The boot of this machine; a record may outlive it.
pub(super) fn boot() -> Result<String> {
    let file = "/proc/sys/kernel/random/boot_id";
    let id = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    Ok(id.trim().to_owned())
}

/// The id to signal a process with: inside its namespace its own id there.
pub(super) fn id_from_here(record: &Record) -> i32 {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    let same =
        namespace("self").is_some_and(|ours| namespace(&record.pid.to_string()) == Some(ours));
    if same { record.inside } else { record.pid }
}

/// A program that enters namespaces stops itself when its child is stopped, and must be woken by
/// name. From inside it cannot be reached; whoever stopped the child was outside.
pub(super) fn wake_wrapper(record: &Record) {
    if let Some((pid, start)) = record.wrapper
        && started(pid) == Some(start)
    {
        // It may end at this very moment.
        let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
    }
}

/// A process that was just started.
pub(super) struct Found {
    pub(super) pid: i32,
    pub(super) inside: i32,
    pub(super) started: u64,
    pub(super) wrapper: Option<(i32, u64)>,
}

/// A child of ours, or its only child when it wraps another.
pub(super) fn of_child(id: u32, wraps: bool) -> Result<Option<Found>> {
    let Some(outer) = seen_from_proc(id)? else {
        return Ok(None);
    };
    let (pid, wrapper) = match wraps {
        false => (Some(outer), None),
        true => (children(outer).first().copied(), started(outer)),
    };
    let Some(pid) = pid else { return Ok(None) };
    Ok(started(pid).and_then(|started| {
        Some(Found {
            pid,
            inside: inside(pid)?,
            started,
            wrapper: wrapper.map(|start| (outer, start)),
        })
    }))
}

/// The machine's id of a child that our own namespace calls `id`.
fn seen_from_proc(id: u32) -> Result<Option<i32>> {
    let id = i32::try_from(id).context("a process id is out of range")?;
    let ours = fs::read_link("/proc/self").context("/proc is not mounted")?;
    let ours: i32 = ours
        .to_str()
        .and_then(|name| name.parse().ok())
        .context("/proc/self names no process")?;
    let tasks = fs::read_dir(format!("/proc/{ours}/task")).context("cannot list our threads")?;
    let threads = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
    let all = threads.flat_map(|thread: i32| children_of_thread(ours, thread));
    Ok(all.into_iter().find(|child| inside(*child) == Some(id)))
}

fn children(pid: i32) -> Vec<i32> {
    children_of_thread(pid, pid)
}

fn children_of_thread(pid: i32, thread: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children"));
    let text = text.unwrap_or_default();
    text.split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

/// A process's id in its own namespace: the last of the `NSpid` line.
fn inside(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// When it was started, in ticks since boot. `None` for one that has ended. Its first thread may have
/// ended before the others: until the last is gone, its files are open and its locks are held.
fn started(pid: i32) -> Option<u64> {
    let first = task(&format!("/proc/{pid}/stat"))?;
    let runs = !first.ended || other_threads(pid).any(|thread| !thread.ended);
    runs.then_some(first.started)
}

fn other_threads(pid: i32) -> impl Iterator<Item = Task> {
    let folder = fs::read_dir(format!("/proc/{pid}/task"));
    let ids = folder.into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ids = ids.filter(move |id: &i32| *id != pid);
    ids.filter_map(move |id| task(&format!("/proc/{pid}/task/{id}/stat")))
}

struct Task {
    ended: bool,
    started: u64,
}

/// Fields 3 and 22 of a `stat` file (proc(5)): the state and the start.
fn task(file: &str) -> Option<Task> {
    let stat = fs::read_to_string(file).ok()?;
    // The name in parentheses may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Task {
        ended: matches!(fields.first(), Some(&("Z" | "X"))),
        started: fields.get(19)?.parse().ok()?,
    })
}
