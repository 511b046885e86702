//! The only door to host tools: absolute path, `LC_ALL=C`, empty environment, no standard input,
//! a deadline that kills the whole process group, and a cap on output.
//!
//! Arguments are an [`Argv`]; nothing is ever given to a shell. Options are written in this
//! program; what comes from outside can only be an option's value or an operand, and an operand
//! that looks like an option is refused. So hostile names of devices and packages are only names.
//!
//! One thread does it all: both pipes are non-blocking and polled, so nothing is left behind when
//! a tool is given up. How a run ends:
//! - the pipes end and the tool exits: its answer;
//! - the tool exits while a child of it keeps the pipes open: what came until [`DRAIN`] later;
//! - the deadline, or too much output: the group is killed. A tool that sleeps in the kernel (a
//!   device that does not answer) outlives even that; after [`REAP`] it is left to a thread that
//!   waits for it, and the error says so.
//!
//! The group is signalled only while its leader is not reaped, so its number cannot have been
//! given to somebody else.

mod pipes;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use h8lio_model::inventory::Problem;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::host::tool::ToolError;
use pipes::{PipeError, Pipes};

/// Folders that tools are looked for in, in order. `PATH` is never used.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Output beyond this is an error, not a longer answer: 8 MiB.
const OUTPUT_CAP: usize = 8 << 20;

/// How long output may still come after the tool itself has ended.
const DRAIN: Duration = Duration::from_millis(200);

/// How long a killed tool may take to die.
const REAP: Duration = Duration::from_secs(2);

/// The longest sleep between two looks at whether the tool has ended.
const STEP: Duration = Duration::from_millis(20);

/// As [`STEP`], for tools that take minutes.
const LONG_STEP: Duration = Duration::from_millis(100);

/// Arguments of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Argv(Vec<OsString>);

impl Argv {
    /// Options, and operands that are written in this program.
    pub fn of(fixed: &[&'static str]) -> Self {
        Self(fixed.iter().map(OsString::from).collect())
    }

    /// Adds more of them.
    pub fn and(mut self, fixed: &[&'static str]) -> Self {
        self.0.extend(fixed.iter().map(OsString::from));
        self
    }

    /// Adds `option` and its value as one argument, for example `--admindir=` and a folder.
    pub fn value(mut self, option: &'static str, value: impl AsRef<OsStr>) -> Self {
        let mut argument = OsString::from(option);
        argument.push(value);
        self.0.push(argument);
        self
    }

    /// Adds arguments that were put together elsewhere.
    pub fn join(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Adds a name that comes from outside.
    ///
    /// # Errors
    /// When a tool could take it for an option, or the system for the end of the argument.
    pub fn operand(mut self, name: impl AsRef<OsStr>) -> Result<Self, ExecError> {
        let bytes = name.as_ref().as_encoded_bytes();
        if bytes.is_empty() || bytes.starts_with(b"-") || bytes.contains(&0) {
            let name = crate::words::plain(&name.as_ref().to_string_lossy());
            return Err(ExecError::OddName { name });
        }
        self.0.push(name.as_ref().to_owned());
        Ok(self)
    }
}

/// What a tool answered. The exit code is the caller's to judge (smartctl's is a bitmask).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub stdout: Vec<u8>,
    /// The last 4 KiB, lossily decoded.
    pub stderr: String,
}

impl Answer {
    /// For a tool that either does what it is asked, with code 0, or refuses.
    ///
    /// # Errors
    /// [`ToolError::Refused`] with the first line of what it said.
    pub(super) fn done(self, tool: &'static str) -> Result<Self, ToolError> {
        match self.code {
            0 => Ok(self),
            code => Err(ToolError::Refused {
                tool,
                code,
                said: crate::words::first_line(&self.stderr),
            }),
        }
    }
}

/// Why a tool gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error(
        "{tool} is not installed (looked in /usr/sbin, /usr/bin, /sbin, /bin); install the \
         package that has it"
    )]
    Missing { tool: String },
    #[error("cannot start {tool}")]
    Start {
        tool: String,
        #[source]
        source: io::Error,
    },
    #[error("{tool} did not finish within {} s and was killed", .after.as_secs_f32())]
    TimedOut { tool: String, after: Duration },
    #[error(
        "{tool} (pid {pid}) did not finish within {} s and does not die: it waits in the kernel, \
         probably for a device; see the kernel log",
        .after.as_secs_f32()
    )]
    Stuck {
        tool: String,
        pid: u32,
        after: Duration,
    },
    #[error("a tool could take the name \"{name}\" for an option, so it is not given to one")]
    OddName { name: String },
    #[error("{tool} printed more than 8 MiB and was killed")]
    TooMuch { tool: String },
    #[error("{tool} was killed by signal {signal}")]
    Signalled { tool: String, signal: i32 },
    #[error("{tool} did not come to an end of its own: {said}")]
    NoEnd { tool: String, said: String },
    #[error("cannot read the output of {tool}")]
    Output {
        tool: String,
        #[source]
        source: io::Error,
    },
}

impl ExecError {
    /// For a tool that was to do something.
    pub(super) fn silent(self, tool: &'static str) -> ToolError {
        ToolError::Silent {
            tool,
            source: Box::new(self),
        }
    }

    /// The error as a fact of the inventory.
    pub fn problem(&self, what: &str) -> Problem {
        let reason = match self {
            Self::Missing { .. } => "ToolMissing",
            Self::TimedOut { .. } | Self::Stuck { .. } => "TimedOut",
            Self::Start { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "NotPermitted"
            }
            Self::OddName { .. } => "NotUnderstood",
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

/// Runs `tool` with `args` and extra environment, for at most `deadline` (and at most 2 s more
/// for a killed tool to die).
///
/// # Errors
/// [`ExecError`]; a non-zero exit is *not* an error.
pub fn run(
    tool: &'static str,
    args: &Argv,
    env: &[(&'static str, &'static str)],
    deadline: Duration,
) -> Result<Answer, ExecError> {
    let named = || tool.to_owned();
    let path = find(tool).ok_or_else(|| ExecError::Missing { tool: named() })?;
    let until = monotonic() + deadline;
    let mut child = start(&path, args, env).map_err(|source| ExecError::Start {
        tool: named(),
        source,
    })?;
    let outcome = Pipes::of(&mut child)
        .map_err(Ended::from)
        .and_then(|mut pipes| {
            follow(&child, &mut pipes, until)?;
            Ok(pipes)
        });
    // Still unreaped here, so the group is ours: this reaches every child that stayed in it.
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let pid = child.id();
    let status = reap(child);
    match (outcome, status) {
        (Ok(pipes), Some(Ok(status))) => finish(tool, status, pipes),
        (Err(Ended::Late), Some(_)) => Err(ExecError::TimedOut {
            tool: named(),
            after: deadline,
        }),
        (Err(Ended::TooMuch), Some(_)) => Err(ExecError::TooMuch { tool: named() }),
        (_, None) => Err(ExecError::Stuck {
            tool: named(),
            pid,
            after: deadline,
        }),
        (Err(Ended::Io(source)), _) | (Ok(_), Some(Err(source))) => Err(ExecError::Output {
            tool: named(),
            source,
        }),
    }
}

/// Runs `tool` with its output going into files, for as long as `deadline`: for tools that change
/// the server, whose output nobody waits for. What the tool leaves running in the background is its
/// business; only at the deadline the whole group is killed.
///
/// # Errors
/// [`ExecError`]; a non-zero exit is *not* an error.
pub fn run_into(
    tool: &'static str,
    args: &Argv,
    env: &[(&'static str, &'static str)],
    deadline: Duration,
    (stdout, stderr): (File, File),
) -> Result<i32, ExecError> {
    let named = || tool.to_owned();
    let path = find(tool).ok_or_else(|| ExecError::Missing { tool: named() })?;
    let until = monotonic() + deadline;
    let mut command = command(&path, args, env);
    command.stdout(stdout).stderr(stderr);
    let child = command.spawn().map_err(|source| ExecError::Start {
        tool: named(),
        source,
    })?;
    let unread = |source| ExecError::Output {
        tool: named(),
        source,
    };
    loop {
        match has_exited(&child) {
            Ok(true) => break,
            Ok(false) if monotonic() < until => thread::sleep(LONG_STEP),
            Ok(false) => {
                // Still unreaped, so the group is ours.
                let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
                let pid = child.id();
                return Err(match reap(child) {
                    Some(_) => ExecError::TimedOut {
                        tool: named(),
                        after: deadline,
                    },
                    None => ExecError::Stuck {
                        tool: named(),
                        pid,
                        after: deadline,
                    },
                });
            }
            Err(source) => return Err(unread(source)),
        }
    }
    let status = reap(child).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
    let status = status.map_err(unread)?;
    match status.signal() {
        Some(signal) => Err(ExecError::Signalled {
            tool: named(),
            signal,
        }),
        None => Ok(status.code().unwrap_or(-1)),
    }
}

fn start(path: &Path, args: &Argv, env: &[(&str, &str)]) -> io::Result<Child> {
    let mut command = command(path, args, env);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

fn command(path: &Path, args: &Argv, env: &[(&str, &str)]) -> std::process::Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "this file is the door to host tools"
    )]
    let mut command = std::process::Command::new(path);
    command
        .args(&args.0)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(env.iter().copied())
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    command
}

/// Why a run was given up.
enum Ended {
    Late,
    TooMuch,
    Io(io::Error),
}

impl From<io::Error> for Ended {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<PipeError> for Ended {
    fn from(e: PipeError) -> Self {
        match e {
            PipeError::TooMuch => Self::TooMuch,
            PipeError::Io(e) => Self::Io(e),
        }
    }
}

/// Reads the pipes until the tool has ended and said all it had to say.
fn follow(child: &Child, pipes: &mut Pipes, until: Instant) -> Result<(), Ended> {
    let mut drained_at: Option<Instant> = None;
    let mut step = Duration::from_millis(1);
    loop {
        let now = monotonic();
        if drained_at.is_none() && has_exited(child)? {
            drained_at = Some(now + DRAIN);
        }
        match drained_at {
            Some(_) if pipes.all_ended() => return Ok(()),
            Some(end) if now >= end => {
                // However late this thread runs, what the tool itself wrote is in the pipe now.
                pipes.wait_and_read(Duration::ZERO)?;
                return Ok(());
            }
            None if now >= until => return Err(Ended::Late),
            _ => {}
        }
        let left = drained_at.unwrap_or(until).saturating_duration_since(now);
        // A tool is usually a few milliseconds or a few seconds long: look often at first.
        step = (step * 2).min(STEP);
        if pipes.all_ended() {
            thread::sleep(step.min(left));
        } else {
            pipes.wait_and_read(step.min(left))?;
        }
    }
}

/// Whether the tool itself has ended; it stays unreaped.
fn has_exited(child: &Child) -> io::Result<bool> {
    let id = Id::Pid(Pid::from_raw(child.id().cast_signed()));
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(id, flags) {
        Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::EINTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(e) => Err(e.into()),
    }
}

/// The exit status, or `None` when the process outlives [`REAP`]; a thread then waits for it, so
/// that it does not stay a zombie for ever.
fn reap(mut child: Child) -> Option<io::Result<ExitStatus>> {
    let until = monotonic() + REAP;
    let mut step = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(Ok(status)),
            Ok(None) if monotonic() < until => thread::sleep(step),
            Ok(None) => {
                thread::spawn(move || child.wait());
                return None;
            }
            Err(e) => return Some(Err(e)),
        }
        step = (step * 2).min(STEP);
    }
}

fn finish(tool: &str, status: ExitStatus, pipes: Pipes) -> Result<Answer, ExecError> {
    let (stdout, stderr) = pipes.into_output();
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

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline over a real process is measured where the process is run"
)]
fn monotonic() -> Instant {
    Instant::now()
}
