//! The only door to host tools: absolute path, `LC_ALL=C`, empty environment, no standard input,
//! a deadline that kills the whole process group, and a cap on output.
//!
//! Arguments are a typed argv; nothing is ever given to a shell, so hostile device and package
//! names are only names.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use h8lio_model::inventory::Problem;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Folders that tools are looked for in, in order. `PATH` is never used.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Output beyond this is an error, not a longer answer: 8 MiB.
const OUTPUT_CAP: usize = 8 << 20;

/// What a tool answered. The exit code is the caller's to judge (smartctl's is a bitmask).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub stdout: Vec<u8>,
    /// The last 4 KiB, lossily decoded.
    pub stderr: String,
}

/// Why a tool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("{tool} is not installed (looked in /usr/sbin, /usr/bin, /sbin, /bin)")]
    Missing { tool: String },
    #[error("cannot start {tool}")]
    Start {
        tool: String,
        #[source]
        source: io::Error,
    },
    #[error("{tool} did not finish within {} s and was killed", .after.as_secs_f32())]
    TimedOut { tool: String, after: Duration },
    #[error("{tool} printed more than 8 MiB and was killed")]
    TooMuch { tool: String },
    #[error("{tool} was killed by signal {signal}")]
    Signalled { tool: String, signal: i32 },
    #[error("cannot read the output of {tool}")]
    Output {
        tool: String,
        #[source]
        source: io::Error,
    },
}

impl ExecError {
    /// The error as a fact of the inventory.
    pub fn problem(&self, what: &str) -> Problem {
        let reason = match self {
            Self::Missing { .. } => "ToolMissing",
            Self::TimedOut { .. } => "TimedOut",
            Self::Start { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "NotPermitted"
            }
            _ => "Failed",
        };
        let cause = std::error::Error::source(self)
            .map(|s| format!(": {s}"))
            .unwrap_or_default();
        Problem {
            what: what.to_owned(),
            reason: reason.to_owned(),
            message: format!("{self}{cause}"),
        }
    }
}

/// Finds `tool` in the fixed folders.
pub fn find(tool: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|f| Path::new(f).join(tool))
        .find(|p| p.is_file())
}

/// Runs `tool` with `args` and extra environment, for at most `deadline`.
///
/// # Errors
/// [`ExecError`]; a non-zero exit is *not* an error.
pub fn run<S: AsRef<OsStr>>(
    tool: &str,
    args: &[S],
    env: &[(&str, &str)],
    deadline: Duration,
) -> Result<Answer, ExecError> {
    let named = || tool.to_owned();
    let path = find(tool).ok_or_else(|| ExecError::Missing { tool: named() })?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to host tools"
    )]
    let mut command = std::process::Command::new(path);
    command
        .args(args)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(env.iter().copied())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(|source| ExecError::Start {
        tool: named(),
        source,
    })?;
    let group = Pid::from_raw(child.id() as i32);

    let (send, receive) = mpsc::channel();
    let readers = [
        reader(child.stdout.take(), 0, send.clone()),
        reader(child.stderr.take(), 1, send),
    ];
    let outcome = collect(&receive, &mut child, deadline);
    if !matches!(outcome, Collected::Done(..)) {
        // The group outlives its leader when a tool forks; the kill reaches all of it.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = child.wait();
    }
    drop(receive);
    match outcome {
        Collected::Done(status, stdout, stderr) => {
            for r in readers {
                let _ = r.join();
            }
            finish(tool, status, stdout, &stderr)
        }
        Collected::Late => Err(ExecError::TimedOut {
            tool: named(),
            after: deadline,
        }),
        Collected::TooMuch => Err(ExecError::TooMuch { tool: named() }),
        Collected::Io(source) => Err(ExecError::Output {
            tool: named(),
            source,
        }),
    }
}

fn finish(
    tool: &str,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: &[u8],
) -> Result<Answer, ExecError> {
    if let Some(signal) = status.signal() {
        return Err(ExecError::Signalled {
            tool: tool.to_owned(),
            signal,
        });
    }
    let tail = &stderr[stderr.len().saturating_sub(4096)..];
    Ok(Answer {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr: String::from_utf8_lossy(tail).trim().to_owned(),
    })
}

enum Piece {
    Bytes(usize, Vec<u8>),
    End,
    Failed(io::Error),
}

enum Collected {
    Done(ExitStatus, Vec<u8>, Vec<u8>),
    Late,
    TooMuch,
    Io(io::Error),
}

fn reader<R: Read + Send + 'static>(
    from: Option<R>,
    which: usize,
    to: mpsc::Sender<Piece>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let Some(mut from) = from else { return };
        let mut buffer = vec![0; 16 << 10];
        loop {
            let piece = match from.read(&mut buffer) {
                Ok(0) => Piece::End,
                Ok(n) => Piece::Bytes(which, buffer[..n].to_vec()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => Piece::Failed(e),
            };
            let last = !matches!(piece, Piece::Bytes(..));
            if to.send(piece).is_err() || last {
                return;
            }
        }
    })
}

fn collect(pieces: &mpsc::Receiver<Piece>, child: &mut Child, deadline: Duration) -> Collected {
    let step = Duration::from_millis(20);
    let mut left = deadline;
    let mut out = [Vec::new(), Vec::new()];
    let mut open = 2;
    loop {
        match pieces.recv_timeout(step) {
            Ok(Piece::Bytes(which, bytes)) => {
                out[which].extend_from_slice(&bytes);
                if out[which].len() > OUTPUT_CAP {
                    return Collected::TooMuch;
                }
                continue;
            }
            Ok(Piece::End) => open -= 1,
            Ok(Piece::Failed(e)) => return Collected::Io(e),
            Err(mpsc::RecvTimeoutError::Timeout) => left = left.saturating_sub(step),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                thread::sleep(step);
                left = left.saturating_sub(step);
            }
        }
        match child.try_wait() {
            // A daemon that a tool left behind may hold the pipes; the leader's end is enough
            // once nothing more has come for a step.
            Ok(Some(status)) if open <= 0 || left < deadline => {
                while let Ok(Piece::Bytes(which, bytes)) = pieces.try_recv() {
                    out[which].extend_from_slice(&bytes);
                }
                let [stdout, stderr] = out;
                return Collected::Done(status, stdout, stderr);
            }
            Ok(_) => {}
            Err(e) => return Collected::Io(e),
        }
        if left.is_zero() {
            return Collected::Late;
        }
    }
}
