//! Why apt-get refused, from its lines that begin with `E:`.

use crate::words::plain;

/// What it said, as far as the next move depends on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    #[error("no configured repository has a package {0}")]
    NoPackage(String),
    #[error("no configured repository has {name} {version}")]
    NoVersion { name: String, version: String },
    #[error("dpkg was interrupted before")]
    Interrupted,
    #[error("{file} is locked by {}", holder(.pid, .command))]
    Locked {
        file: String,
        pid: Option<u32>,
        command: Option<String>,
    },
    #[error("packages cannot be installed together: {0}")]
    Dependencies(String),
    #[error("there is no room: {0}")]
    NoRoom(String),
    #[error("{0}")]
    Other(String),
}

fn holder(pid: &Option<u32>, command: &Option<String>) -> String {
    let command = command.as_deref().unwrap_or("another program");
    match pid {
        Some(pid) => format!("{command} (pid {pid})"),
        None => command.to_owned(),
    }
}

/// The first complaint that is more than a consequence; `None` when apt complained of nothing.
pub fn complaint(stderr: &str) -> Option<Complaint> {
    let all: Vec<Complaint> = stderr
        .lines()
        .filter_map(|l| l.trim().strip_prefix("E: "))
        .map(read)
        .collect();
    let vague = |c: &&Complaint| matches!(c, Complaint::Other(_));
    all.iter().find(|c| !vague(c)).or(all.first()).cloned()
}

fn read(line: &str) -> Complaint {
    let line = line.trim();
    let quoted = |n: usize| line.split('\'').nth(n).map(plain).unwrap_or_default();
    if let Some(name) = line.strip_prefix("Unable to locate package ") {
        return Complaint::NoPackage(plain(name));
    }
    if line.starts_with("Version '") && line.ends_with("' was not found") {
        return Complaint::NoVersion {
            version: quoted(1),
            name: quoted(3),
        };
    }
    if line.starts_with("dpkg was interrupted") {
        return Complaint::Interrupted;
    }
    if let Some(rest) = line.strip_prefix("Could not get lock ") {
        return locked(rest);
    }
    if line.contains("you have held broken packages")
        || line.starts_with("Unmet dependencies")
        || line.contains("pkgProblemResolver")
    {
        return Complaint::Dependencies(plain(line));
    }
    if line.contains("No space left on device") || line.contains("don't have enough free space") {
        return Complaint::NoRoom(plain(line));
    }
    Complaint::Other(plain(line))
}

/// `FILE. It is held by process PID (COMMAND)`, and without the second half in older versions.
fn locked(rest: &str) -> Complaint {
    let (file, after) = rest.split_once(". ").unwrap_or((rest, ""));
    let file = file.split(" - ").next().unwrap_or(file);
    let held = after.strip_prefix("It is held by process ");
    let pid = held.and_then(|h| h.split(' ').next()?.parse().ok());
    let command = held.and_then(|h| h.split_once('(')?.1.strip_suffix(')'));
    Complaint::Locked {
        file: plain(file),
        pid,
        command: command.map(plain),
    }
}
