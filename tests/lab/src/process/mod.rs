//! Programs that the lab starts: each with a log file and a record on disk, so that it can be
//! found and stopped by its process id by a later command, also when the one that started it was
//! killed.

mod alive;
mod oneshot;

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

pub use self::oneshot::{output, run, run_as};
use crate::clock::{now, until};

/// How long a program may take to end after SIGTERM before it is killed.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Programs that enter or make namespaces and leave the work to a child of theirs.
const WRAPPERS: &[&str] = &["nsenter", "unshare", "setpriv"];

/// A command. The lab's one door to other programs.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab drives programs; this is its door"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("LC_ALL", "C");
    command
}

/// What is known of a started program, as stored on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    /// Its id as the machine sees it.
    pub pid: i32,
    /// Its id in its own process namespace; the same when that is the machine's.
    pub inside: i32,
    /// Start in clock ticks since boot: with the id it names one process of this boot for ever.
    pub started: u64,
    /// The machine's boot it belongs to.
    pub boot: String,
    /// Id and start of the program that waits for it outside, where one brought it inside.
    pub wrapper: Option<(i32, u64)>,
    pub log: PathBuf,
}

/// The programs of one lab.
#[derive(Debug)]
pub struct Processes {
    records: PathBuf,
    logs: PathBuf,
    /// Wrappers and programs started here, kept so that they are reaped.
    children: Mutex<Vec<Child>>,
}

impl Processes {
    /// Records below `state`/run, logs below `state`/log.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn at(state: &Path) -> Result<Self> {
        let (records, logs) = (state.join("run"), state.join("log"));
        for folder in [&records, &logs] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let children = Mutex::default();
        Ok(Self {
            records,
            logs,
            children,
        })
    }

    /// The log of a program of this name.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Starts a program that outlives this call; its words go to its log. Whoever asks twice
    /// without stopping it is refused.
    ///
    /// # Errors
    /// When one of this name runs already, it cannot be started, or it ends at once.
    pub fn start(&self, name: &str, command: impl Borrow<Command>) -> Result<Record> {
        if let Some(record) = self.running(name)? {
            bail!("{name} runs already (pid {})", record.pid);
        }
        let log = self.log(name);
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = (open(), open());
        let streams = out.and_then(|out| Ok((out, err?)));
        let (out, err) = streams.with_context(|| format!("cannot write {}", log.display()))?;
        let wraps = wraps(command.borrow());
        let mut command = closing(command.borrow());
        // A group of its own: Ctrl-C on the terminal is not meant for it.
        command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name} ({:?})", command.get_program()))?;
        let found = find(&mut child, wraps, name, &log);
        self.keep(child);
        let found = found?;
        let record = Record {
            name: name.to_owned(),
            pid: found.pid,
            inside: found.inside,
            started: found.started,
            boot: alive::boot()?,
            wrapper: found.wrapper,
            log,
        };
        self.write(&record)?;
        Ok(record)
    }

    /// The record of a program that was started and runs.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn running(&self, name: &str) -> Result<Option<Record>> {
        self.reap();
        Ok(self.record(name)?.filter(alive::is))
    }

    /// Every recorded program, in the order of their start, and whether it runs.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn all(&self) -> Result<Vec<(Record, bool)>> {
        self.reap();
        let mut all = Vec::new();
        let folder = fs::read_dir(&self.records)
            .with_context(|| format!("cannot read {}", self.records.display()))?;
        for file in folder {
            let name = file.context("cannot read a record's name")?.file_name();
            if let Some(name) = name.to_string_lossy().strip_suffix(".json")
                && let Some(record) = self.record(name)?
            {
                let runs = alive::is(&record);
                all.push((record, runs));
            }
        }
        all.sort_by_key(|(record, _)| (record.started, record.pid));
        Ok(all)
    }

    /// Sends a signal to a running program: SIGSTOP freezes it, SIGKILL is a power cut.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let record = self.running(name)?;
        let record = record.with_context(|| format!("{name} does not run"))?;
        let sent = kill(Pid::from_raw(alive::id_from_here(&record)), signal);
        if signal == Signal::SIGCONT {
            alive::wake_wrapper(&record);
        }
        sent.with_context(|| format!("cannot send {signal} to {name}"))
    }

    /// Ends a program: SIGTERM, and SIGKILL when that does not help. One that does not run is
    /// fine. Its record goes, its log stays.
    ///
    /// # Errors
    /// When it survives SIGKILL.
    pub fn stop(&self, name: &str) -> Result<()> {
        self.end(name, Signal::SIGTERM, END_WITHIN)
    }

    /// Ends a program at once, without a chance to tidy up.
    ///
    /// # Errors
    /// When it survives SIGKILL.
    pub fn kill(&self, name: &str) -> Result<()> {
        self.end(name, Signal::SIGKILL, END_WITHIN)
    }

    /// Ends everything that is recorded, the youngest first.
    ///
    /// # Errors
    /// When something survives; the others are ended all the same.
    pub fn stop_all(&self) -> Result<()> {
        let mut survivors = Vec::new();
        for (record, _) in self.all()?.into_iter().rev() {
            if let Err(e) = self.stop(&record.name) {
                survivors.push(format!("{e:#}"));
            }
        }
        match survivors.is_empty() {
            true => Ok(()),
            false => bail!("{}", survivors.join("; ")),
        }
    }

    /// The last lines of a program's log, for a message about its end.
    pub fn last_words(&self, name: &str) -> String {
        last_lines(&self.log(name))
    }

    fn end(&self, name: &str, first: Signal, patience: Duration) -> Result<()> {
        let Some(record) = self.record(name)? else {
            return Ok(());
        };
        let pid = Pid::from_raw(alive::id_from_here(&record));
        let gone = || {
            self.reap();
            // One that was frozen holds up the end of its namespace, and may stop any moment.
            for (other, _) in self.all()? {
                alive::wake_wrapper(&other);
            }
            Ok((!alive::is(&record)).then_some(()))
        };
        let mut signal = first;
        while alive::is(&record) {
            // It may have ended since; then there is nobody to signal, and that is what we want.
            let _ = kill(pid, signal);
            // One that is frozen must wake to hear it.
            let _ = kill(pid, Signal::SIGCONT);
            match until(&format!("{name} ends"), patience, gone) {
                Ok(()) => break,
                Err(e) if signal == Signal::SIGKILL => return Err(e),
                Err(_) => signal = Signal::SIGKILL,
            }
        }
        let file = self.file(name);
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.records.join(format!("{name}.json"))
    }

    fn record(&self, name: &str) -> Result<Option<Record>> {
        let file = self.file(name);
        let text = match fs::read(&file) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let record = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no record of a process", file.display()))?;
        Ok(Some(record))
    }

    /// Whole or not at all: a command that is killed here leaves no half record behind.
    fn write(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(record).context("a record has no JSON")?;
        let file = self.file(&record.name);
        let draft = file.with_extension(format!("draft-{}", std::process::id()));
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    fn keep(&self, child: Child) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.push(child);
    }

    fn reap(&self) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

/// The last lines of a file, on one line.
pub fn last_lines(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}

fn wraps(command: &Command) -> bool {
    let program = Path::new(command.get_program()).file_name();
    WRAPPERS
        .iter()
        .any(|wrapper| program == Some(OsStr::new(wrapper)))
}

/// Becomes its arguments with nothing open but the three streams. What a program inherits beyond
/// them, a lock or the end of a pipe, would be held for as long as the lab is up.
const CLOSE: &str = "for fd in /proc/self/fd/*; do fd=${fd##*/}; \
                     if [ \"$fd\" -gt 2 ]; then eval \"exec $fd>&-\"; fi; done; exec \"$@\"";

fn closing(command: &Command) -> Command {
    through("bash", &["-c", CLOSE, "lab"], command)
}

/// The same command, started by a program that becomes it; where it runs and what it is told by its
/// environment stay.
fn through(program: &str, words: &[&str], command: &Command) -> Command {
    let mut through = self::command(program);
    through.args(words);
    through.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => through.env(name, value),
            None => through.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        through.current_dir(folder);
    }
    through
}

/// What was started: the child, or the child's child.
fn find(child: &mut Child, wraps: bool, name: &str, log: &Path) -> Result<alive::Found> {
    let began = now();
    loop {
        if let Some(found) = alive::of_child(child.id(), wraps)? {
            return Ok(found);
        }
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            bail!("{name} ended at once ({status}): {}", last_lines(log));
        }
        if began.elapsed() > END_WITHIN {
            bail!("{name} was started, but no process of it is seen");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests;
