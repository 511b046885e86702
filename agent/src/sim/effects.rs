//! The agent's own surroundings on a simulated server: a clock that can jump and a disk that can
//! be full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use h8lio_tls::files::FileError;
use jiff::SignedDuration;
use zeroize::Zeroizing;

use crate::clock::{Clock, Moment, SystemClock};
use crate::identity::{Disk, PrivateFolder};

/// The real clock, off by a span.
#[derive(Debug, Default)]
pub(super) struct SimClock {
    real: SystemClock,
    off_by_ms: AtomicI64,
}

impl SimClock {
    pub(super) fn jump(&self, by: SignedDuration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(0);
        self.off_by_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        let now = self.real.now();
        let off = SignedDuration::from_millis(self.off_by_ms.load(Ordering::SeqCst));
        Moment {
            wall: now.wall.saturating_add(off).unwrap_or(now.wall),
            ..now
        }
    }
}

/// The real state directory, sometimes full.
#[derive(Debug)]
pub(super) struct SimDisk {
    pub(super) real: PrivateFolder,
    pub(super) full: Arc<AtomicBool>,
}

impl SimDisk {
    fn room(&self, name: &str) -> Result<(), FileError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(FileError::Write {
                path: name.into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn place(&self, name: &str) -> std::path::PathBuf {
        self.real.place(name)
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.real.read(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.room(name)?;
        self.real.write(name, bytes)
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.real.remove(name)
    }

    fn probe(&self, name: &str) -> Result<(), FileError> {
        self.room(name)?;
        self.real.probe(name)
    }
}
