//! A check by a program: the only door of this crate to other programs. What is run stands in the
//! configuration, which only the machine's administrators write; nothing that comes over the
//! network is part of it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};

/// Bytes kept of what it says.
const SAID: usize = 4_096;
/// How long what it said may take to arrive after its end.
const DRAIN: Duration = Duration::from_millis(200);

/// Well is exit code 0. Dropped before its end, the program is killed with its children.
pub(super) async fn run(words: &[String]) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("names no program")?;
    let mut child =
        start(program, arguments).map_err(|e| format!("cannot start {program}: {e}"))?;
    let group = Group::of(&child);
    let mut said = Vec::new();
    let mut pipe = child.stderr.take();
    let status = loop {
        // Cancel-safe: `wait` and `read` lose nothing when the other comes first.
        tokio::select! {
            status = child.wait() => break status,
            is_open = read(&mut pipe, &mut said), if pipe.is_some() => {
                if !is_open {
                    pipe = None;
                }
            }
        }
    };
    group.forget();
    if pipe.is_some() {
        // A child of it may hold the pipe for ever.
        let _ = tokio::time::timeout(DRAIN, read(&mut pipe, &mut said)).await;
    }
    let status = status.map_err(|e| format!("cannot wait for {program}: {e}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(complaint(program, status, &said)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the door of the crate")]
fn start(program: &str, arguments: &[String]) -> std::io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Reads on; `false` at the end.
async fn read(pipe: &mut Option<ChildStderr>, said: &mut Vec<u8>) -> bool {
    let Some(pipe) = pipe else {
        return false;
    };
    let mut buffer = [0; 1_024];
    match pipe.read(&mut buffer).await {
        Ok(0) | Err(_) => false,
        Ok(n) => {
            let room = SAID.saturating_sub(said.len());
            said.extend_from_slice(&buffer[..n.min(room)]);
            true
        }
    }
}

fn complaint(program: &str, status: ExitStatus, said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().map(str::trim).find(|l| !l.is_empty());
    let line: String = line.unwrap_or_default().chars().take(200).collect();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    match line.is_empty() {
        true => format!("{program} ended with {status}"),
        false => format!("{program} ended with {status}: {line}"),
    }
}

/// The program with its children. Signalled only while the program is not waited for, so the
/// number cannot have been given to somebody else.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.map(Pid::from_raw))
    }

    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}
