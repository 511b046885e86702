//! The folder of one transaction, `transactions/ATTEMPT`.
//!
//! | File | Holds | Written by |
//! |---|---|---|
//! | `spec.json` | what is to be done | the agent, before the unit is started |
//! | `lock` | nothing; locked for as long as the transaction works | – |
//! | `withdrawn` | nothing; there: it is never begun | the agent |
//! | `begun.json` | the boot that it began in | the transaction, first |
//! | `status`, `log` | apt's status stream and complaints; what it printed | apt |
//! | `result.json` | how it ended | the transaction, last, durably |
//!
//! The lock decides races: whoever holds it may begin the transaction or withdraw it. The kernel
//! drops it with the process, so whether a transaction runs needs nobody's word. Until then it may be
//! specified and its unit started as often as an agent that dies in between needs to: the first unit
//! that holds the lock begins it, and none after it does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use h8lio_model::ids::BootId;
use h8lio_tls::files::{FileError, write_private};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::host::patching::{PatchError, RawTrace, Spec, Written};
use crate::linux::unreadable;

pub(super) const TRANSACTIONS: &str = "transactions";

const SPEC: &str = "spec.json";
const LOCK: &str = "lock";
const WITHDRAWN: &str = "withdrawn";
const BEGUN: &str = "begun.json";
const STATUS: &str = "status";
const LOG: &str = "log";
const RESULT: &str = "result.json";

/// Of logs, only so much of the end is read: 1 MiB.
const TAIL: u64 = 1 << 20;

/// When a transaction began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    pub(super) boot_id: BootId,
}

/// The transactions below `folder` that are at work.
pub(super) fn at_work(folder: &Path) -> io::Result<Vec<Uuid>> {
    let all = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in all {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(attempt) = name.and_then(|name| name.parse().ok())
            && Folder::at(path).is_locked()?
        {
            found.push(attempt);
        }
    }
    Ok(found)
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn of(state_dir: &Path, attempt: Uuid) -> Self {
        Self(state_dir.join(TRANSACTIONS).join(attempt.to_string()))
    }

    pub(super) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Removes it, unless the transaction is at work. The spec goes first: without it nothing is begun.
    pub(super) fn forget(&self) -> io::Result<()> {
        let Some(_lock) = self.try_lock()? else {
            return Ok(());
        };
        match fs::remove_file(self.0.join(SPEC)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => fs::remove_dir_all(&self.0),
        }
    }

    /// Writes down what is to be done, as often as it is asked for until it has begun or was
    /// withdrawn.
    pub(super) fn specify(&self, spec: &Spec) -> Result<(), PatchError> {
        let attempt = spec.attempt;
        self.make().map_err(|e| self.unwritten(attempt, e))?;
        let Some(_lock) = self.try_lock().map_err(|e| self.unwritten(attempt, e))? else {
            return Err(PatchError::Begun { attempt });
        };
        if self.has_begun() || self.is_withdrawn() {
            return Err(PatchError::Known { attempt });
        }
        write_private(&self.0.join(SPEC), &json(spec))
            .map_err(|source| PatchError::Write { attempt, source })
    }

    /// Makes the folder, durably, where there is none.
    fn make(&self) -> io::Result<()> {
        let above = self.0.parent().unwrap_or(&self.0);
        private().recursive(true).create(above)?;
        match private().create(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other.and_then(|()| File::open(above)?.sync_all()),
        }
    }

    fn unwritten(&self, attempt: Uuid, source: io::Error) -> PatchError {
        let path = self.0.clone();
        let source = FileError::Write { path, source };
        PatchError::Write { attempt, source }
    }

    /// What is to be done; `None` when it was withdrawn or never written.
    pub(super) fn spec(&self) -> io::Result<Option<Spec>> {
        match fs::read(self.0.join(SPEC)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Takes the lock; waits while somebody looks whether it is held.
    pub(super) fn lock(&self) -> io::Result<Flock<File>> {
        Flock::lock(self.lock_file()?, FlockArg::LockExclusive).map_err(|(_, e)| e.into())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.join(BEGUN).exists()
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.0.join(WITHDRAWN).exists()
    }

    pub(super) fn begin(&self, boot_id: BootId) -> Result<(), FileError> {
        write_private(&self.0.join(BEGUN), &json(&Begun { boot_id }))
    }

    /// Files for the tool's output: standard output, and standard error with the status stream.
    pub(super) fn outputs(&self) -> io::Result<(File, File)> {
        let file = |name| {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o600);
            options.open(self.0.join(name))
        };
        Ok((file(LOG)?, file(STATUS)?))
    }

    pub(super) fn end(&self, written: &Written) -> Result<(), FileError> {
        write_private(&self.0.join(RESULT), &json(written))
    }

    /// Writes down, under its lock, that a transaction which has not begun never will, and removes
    /// its spec.
    pub(super) fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        let failed = |e| self.unwritten(attempt, e);
        self.make().map_err(failed)?;
        let Some(_lock) = self.try_lock().map_err(failed)? else {
            return Err(PatchError::Begun { attempt });
        };
        if self.has_begun() {
            return Err(PatchError::Begun { attempt });
        }
        write_private(&self.0.join(WITHDRAWN), b"")
            .map_err(|source| PatchError::Write { attempt, source })?;
        match fs::remove_file(self.0.join(SPEC)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(e)),
            _ => Ok(()),
        }
    }

    pub(super) fn trace(&self) -> RawTrace {
        let mut out = RawTrace {
            specified: self.0.join(SPEC).exists(),
            withdrawn: self.is_withdrawn(),
            begun: self.has_begun(),
            ..RawTrace::default()
        };
        out.running = match self.is_locked() {
            Ok(locked) => Some(locked),
            Err(e) => {
                out.problems.push(unreadable("lock of the transaction", &e));
                None
            }
        };
        // After the lock was looked at: what has ended by then has written its result.
        for (name, into) in [(STATUS, &mut out.status), (LOG, &mut out.log)] {
            match tail(&self.0.join(name)) {
                Ok(bytes) => *into = bytes,
                Err(e) => out.problems.push(unreadable(name, &e)),
            }
        }
        out.result = fs::read(self.0.join(RESULT)).ok();
        out.begun |= self.has_begun();
        out
    }

    fn is_locked(&self) -> io::Result<bool> {
        let file = match File::open(self.0.join(LOCK)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, e)) => Err(e.into()),
        }
    }

    /// The lock, or `None` where somebody else has it.
    fn try_lock(&self) -> io::Result<Option<Flock<File>>> {
        match Flock::lock(self.lock_file()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, e)) => Err(e.into()),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        options.open(self.0.join(LOCK))
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and lists have a JSON form")
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(bytes)
}
