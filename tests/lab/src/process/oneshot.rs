//! Programs that answer and end, within a limit.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::clock::now;

/// How often an end is looked for: tools that take milliseconds are called by the hundred.
const LOOK: Duration = Duration::from_millis(5);

/// What may take longer than this is held in a namespace of its own, which ends with us: nobody else
/// would end it, nor what it started, when this command is interrupted or killed.
const HELD_ABOVE: Duration = Duration::from_secs(60);

/// Runs a command to its end and takes what it says.
///
/// # Errors
/// When it cannot be started, or has not ended within `limit`; then it and its children are
/// killed, and the message holds what it had said.
pub fn output(command: Command, limit: Duration) -> Result<Output> {
    let shown = show(&command);
    output_of(&shown, command, limit)
}

/// The same, for a command that a person knows by another name.
fn output_of(shown: &str, command: Command, limit: Duration) -> Result<Output> {
    let mut command = match limit > HELD_ABOVE {
        true => held(command),
        false => command,
    };
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let began = now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            let (stdout, stderr) = (stdout.join(), stderr.join());
            return Ok(Output {
                status,
                stdout: stdout.unwrap_or_default(),
                stderr: stderr.unwrap_or_default(),
            });
        }
        if began.elapsed() >= limit {
            end(&mut child)?;
            let said = [stdout, stderr].map(|all| all.join().unwrap_or_default());
            let said = said.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
            bail!(
                "{shown}: not done within {} s; it said: {}",
                limit.as_secs(),
                said.join(" ").trim()
            );
        }
        std::thread::sleep(LOOK);
    }
}

/// The command as the first process of a process namespace that the kernel ends when our thread
/// ends, and its mounts with it. What enters the lab's namespace ends with that instead. Making one
/// takes root; a user without it gets the command itself ended, not its children.
pub(super) fn held(command: Command) -> Command {
    if super::wraps(&command) {
        return command;
    }
    let mut words = vec!["--pdeathsig", "KILL"];
    if nix::unistd::geteuid().is_root() {
        // Mounts too: a root that is being made has the machine's devices in it.
        words.extend(["unshare", "--mount", "--propagation=private"]);
        words.extend(["--pid", "--fork", "--kill-child=KILL", "--"]);
    }
    super::through("setpriv", &words, &command)
}

/// Runs a command that must succeed, and returns what it printed.
///
/// # Errors
/// As [`output`], and when it exits with another status than 0.
pub fn run(command: Command, limit: Duration) -> Result<String> {
    let shown = show(&command);
    run_as(&shown, command, limit)
}

/// The same, for a command that a person knows by another name.
///
/// # Errors
/// As [`run`].
pub fn run_as(shown: &str, command: Command, limit: Duration) -> Result<String> {
    let output = output_of(shown, command, limit)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if !output.status.success() {
        let said = format!("{} {}", text(&output.stdout), text(&output.stderr));
        bail!("{shown}: {}: {}", output.status, said.trim());
    }
    Ok(text(&output.stdout))
}

/// The command as a person would type it, cut where it becomes unreadable.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let mut line = words.join(" ");
    if let Some((cut, _)) = line.char_indices().nth(400) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before a failure is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn end(child: &mut Child) -> Result<()> {
    let group = i32::try_from(child.id()).context("a process id is out of range")?;
    // It may end at this very moment; then nobody is left to signal.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    child.wait().context("cannot wait for a child")?;
    Ok(())
}
