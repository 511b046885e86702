//! The step log of one attempt: what was about to be done, and what came of it, one record a line.
//!
//! An intent is durable before its step begins, a result before the next intent. So whatever moment
//! power fails at, at most the last step's result is missing, and that step is *observed*, never
//! assumed. A torn tail (short, or NULs where the file was longer than what was written) is no
//! record; a damaged line with whole ones behind it is more than a power cut, and an error.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use h8lio_model::order::AttemptId;
use h8lio_model::section::Digest;
use h8lio_tls::files::{FileError, write_private};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where a log is kept. Every operation blocks.
pub trait Tape: Send + std::fmt::Debug {
    /// All of it; empty when there is none.
    ///
    /// # Errors
    /// [`FileError`].
    fn read(&self) -> Result<Vec<u8>, FileError>;

    /// Adds to its end, durably. After an error, any part of `bytes` may be there.
    ///
    /// # Errors
    /// [`FileError`].
    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError>;

    /// Replaces all of it: after a crash it holds the old or the new.
    ///
    /// # Errors
    /// [`FileError`].
    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError>;
}

impl Tape for Box<dyn Tape> {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        (**self).read()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        (**self).append(bytes)
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        (**self).replace(bytes)
    }
}

/// A private file in the state directory.
#[derive(Debug)]
pub struct FileTape(PathBuf);

impl FileTape {
    /// The log of `attempt` below `folder`.
    pub fn new(folder: &Path, attempt: AttemptId) -> Self {
        Self(folder.join(format!("steps-{attempt}.log")))
    }
}

impl Tape for FileTape {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        let failed = |source| FileError::Read {
            path: self.0.clone(),
            source,
        };
        let mut bytes = Vec::new();
        match File::open(&self.0) {
            Ok(mut file) => file.read_to_end(&mut bytes).map_err(failed)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(failed(e)),
        };
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let write = || {
            let new = !self.0.exists();
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&self.0)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            match self.0.parent() {
                Some(folder) if new => File::open(folder)?.sync_all(),
                _ => Ok(()),
            }
        };
        write().map_err(|source| FileError::Write {
            path: self.0.clone(),
            source,
        })
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        write_private(&self.0, bytes)
    }
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StepLogError {
    #[error("cannot read the step log")]
    Read(#[source] FileError),
    #[error("cannot write the step log, so the step is not begun")]
    Write(#[source] FileError),
    #[error(
        "line {line} of the step log is damaged, and whole lines follow; what was done has to be looked at by a person"
    )]
    Damaged { line: usize },
}

/// The log.
#[derive(Debug)]
pub struct StepLog<R, T> {
    tape: T,
    records: Vec<R>,
    /// What the tape holds beyond the records, from a torn write.
    torn: bool,
}

impl<R: Serialize + DeserializeOwned, T: Tape> StepLog<R, T> {
    /// Reads what is there. A torn tail is left out, and cut off before the next record.
    ///
    /// # Errors
    /// [`StepLogError::Read`] and [`StepLogError::Damaged`].
    pub fn open(tape: T) -> Result<Self, StepLogError> {
        let bytes = tape.read().map_err(StepLogError::Read)?;
        let (mut records, mut bad) = (Vec::new(), None);
        for (index, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            match (decode(line), bad) {
                (Some(record), None) => records.push(record),
                (Some(_), Some(line)) => return Err(StepLogError::Damaged { line }),
                (None, _) => bad = bad.or(Some(index + 1)),
            }
        }
        Ok(Self {
            tape,
            records,
            torn: bad.is_some(),
        })
    }

    /// The records, oldest first.
    pub fn records(&self) -> &[R] {
        &self.records
    }

    /// Adds a record, durably.
    ///
    /// # Errors
    /// [`StepLogError::Write`]; the record then does not count, whatever of it is on the disk.
    pub fn write(&mut self, record: R) -> Result<(), StepLogError> {
        if self.torn {
            let whole: Vec<u8> = self.records.iter().flat_map(encode).collect();
            self.tape.replace(&whole).map_err(StepLogError::Write)?;
            self.torn = false;
        }
        if let Err(e) = self.tape.append(&encode(&record)) {
            self.torn = true;
            return Err(StepLogError::Write(e));
        }
        self.records.push(record);
        Ok(())
    }
}

/// `CHECK JSON`, and a line's end.
fn encode<R: Serialize>(record: &R) -> Vec<u8> {
    let body = serde_json::to_string(record).expect("records have a JSON form");
    format!("{} {body}\n", check(body.as_bytes())).into_bytes()
}

fn decode<R: DeserializeOwned>(line: &[u8]) -> Option<R> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, body) = line.split_once(' ')?;
    (sum == check(body.as_bytes())).then(|| serde_json::from_str(body).ok())?
}

fn check(body: &[u8]) -> String {
    hex::encode(&Digest::of(body).0[..8])
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests;
