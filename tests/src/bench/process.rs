//! Programs that the bench starts, watches and ends: its own children, by their process ids.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// `/proc/PID/stat` counts in hundredths of a second on every Linux that Rust runs on
/// (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a program may take to end when asked to.
const END_WITHIN: Duration = Duration::from_secs(15);

/// A running child. Killed when dropped, so that none survives a failure.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    name: String,
    log: PathBuf,
}

/// A command of the bench's own children.
#[expect(
    clippy::disallowed_methods,
    reason = "the bench starts the programs it measures"
)]
pub fn command(program: &Path) -> Command {
    Command::new(program)
}

impl Process {
    /// Starts `command`; its words go to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let open = || {
            File::options()
                .create(true)
                .append(true)
                .open(log)
                .with_context(|| format!("cannot write {}", log.display()))
        };
        command.stderr(open()?).kill_on_drop(true);
        if name != "load" {
            command.stdin(Stdio::null()).stdout(open()?);
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let id = child
            .id()
            .with_context(|| format!("{name} ended at once"))?;
        let pid = Pid::from_raw(i32::try_from(id).context("a process id is out of range")?);
        Ok(Self {
            child,
            pid,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// The child's pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Processor time used so far, user and system, in seconds; steps of 10 ms.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> anyhow::Result<f64> {
        let text = self.proc_file("stat")?;
        // The name in parentheses may hold spaces; fields 14 and 15 are utime and stime.
        let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
        match (fields.next(), fields.next()) {
            (Some(Ok(user)), Some(Ok(system))) => Ok((user + system) as f64 / TICKS_PER_SECOND),
            _ => bail!("/proc/{}/stat is not understood", self.pid),
        }
    }

    /// Memory: resident pages, shared ones by their share (PSS), in bytes.
    ///
    /// # Errors
    /// When it has ended, or the kernel does not say.
    pub fn pss(&self) -> anyhow::Result<u64> {
        let text = self.proc_file("smaps_rollup")?;
        let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
        let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|k| k * 1024)
            .with_context(|| format!("/proc/{}/smaps_rollup is not understood", self.pid))
    }

    fn proc_file(&self, file: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid)).with_context(|| {
            format!(
                "{} is gone; its last words: {}",
                self.name,
                self.last_words()
            )
        })
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(self.pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("cannot kill {}", self.name))
    }

    /// SIGTERM, and waits; SIGKILL when that takes too long.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)?;
        if tokio::time::timeout(END_WITHIN, self.child.wait())
            .await
            .is_err()
        {
            let name = self.name.clone();
            self.kill().await?;
            bail!(
                "{name} did not end within {} s of SIGTERM",
                END_WITHIN.as_secs()
            );
        }
        Ok(())
    }
}

/// A port that is free on loopback just now, chosen by the kernel.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener
        .local_addr()
        .context("cannot ask for the port")?
        .port())
}
