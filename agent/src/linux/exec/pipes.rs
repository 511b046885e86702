//! The two pipes of a running tool, read without blocking.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Child;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::OUTPUT_CAP;

pub(super) enum PipeError {
    TooMuch,
    Io(io::Error),
}

impl From<Errno> for PipeError {
    fn from(e: Errno) -> Self {
        Self::Io(e.into())
    }
}

trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

struct Stream {
    /// `None` once it has ended.
    pipe: Option<Box<dyn Pipe>>,
    bytes: Vec<u8>,
}

/// Standard output and standard error of one tool.
pub(super) struct Pipes {
    streams: [Stream; 2],
}

impl Pipes {
    pub(super) fn of(child: &mut Child) -> Result<Self, PipeError> {
        let stdout = child.stdout.take().map(|p| Box::new(p) as Box<dyn Pipe>);
        let stderr = child.stderr.take().map(|p| Box::new(p) as Box<dyn Pipe>);
        let streams = [stdout, stderr].map(|pipe| Stream {
            pipe,
            bytes: Vec::new(),
        });
        for pipe in streams.iter().filter_map(|s| s.pipe.as_ref()) {
            set_nonblocking(pipe.as_fd())?;
        }
        Ok(Self { streams })
    }

    pub(super) fn all_ended(&self) -> bool {
        self.streams.iter().all(|s| s.pipe.is_none())
    }

    /// Waits for output for at most `step` and takes what there is.
    pub(super) fn wait_and_read(&mut self, step: Duration) -> Result<(), PipeError> {
        let mut polled: Vec<PollFd<'_>> = self
            .streams
            .iter()
            .filter_map(|s| s.pipe.as_ref())
            .map(|p| PollFd::new(p.as_fd(), PollFlags::POLLIN))
            .collect();
        let wait = PollTimeout::try_from(step).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, wait) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        for stream in &mut self.streams {
            stream.take_available()?;
        }
        Ok(())
    }

    /// Standard output and standard error.
    pub(super) fn into_output(self) -> (Vec<u8>, Vec<u8>) {
        let [stdout, stderr] = self.streams;
        (stdout.bytes, stderr.bytes)
    }
}

impl Stream {
    fn take_available(&mut self) -> Result<(), PipeError> {
        let mut buffer = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(n) => self.bytes.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(PipeError::Io(e)),
            }
            if self.bytes.len() > OUTPUT_CAP {
                return Err(PipeError::TooMuch);
            }
        }
        Ok(())
    }
}

fn set_nonblocking(pipe: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}
