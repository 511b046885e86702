//! Between the agent and its simulated server and disk: each effect is counted, and may be the last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use h8lio_agent::host::bmc::{Access, BmcTimerHost};
use h8lio_agent::host::boot::{BootError, BootHost, Exception, RawBoot, Restart, WayBack};
use h8lio_agent::host::patching::{
    Action, MayAct, PatchError, PatchHost, Pinned, RawAnswer, RawDatabase, RawPlan, RawTrace, Spec,
};
use h8lio_agent::host::services::{RestartError, ServicesHost};
use h8lio_agent::host::tool::ToolError;
use h8lio_agent::identity::Disk;
use h8lio_agent::ledger::steps::Tape;
use h8lio_agent::walk::Tapes;
use h8lio_model::order::AttemptId;
use h8lio_tls::files::FileError;
use jiff::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::act::{Act, Acts, Had};
use crate::fuse::{Fuse, Verdict};
use crate::sabotage::Sabotage;
use crate::tools::{Heard, Tools};

fn died() -> FileError {
    FileError::Write {
        path: PathBuf::from("(the process died)"),
        source: std::io::ErrorKind::Interrupted.into(),
    }
}

/// The agent's files: they outlive its process.
#[derive(Debug, Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Files {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk is replaced by an empty one, or one file of it is gone.
    pub fn lose(&self, name: &str) {
        self.lock().remove(name);
    }
}

/// The files, written by a process that may die.
#[derive(Debug, Clone)]
pub struct Written {
    pub files: Files,
    pub fuse: Arc<Fuse>,
    /// Sabotage: step logs are not written.
    pub forgetful: bool,
}

impl Disk for Written {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        Ok(self.files.lock().get(name).cloned().map(Zeroizing::new))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let write = || {
            self.files.lock().insert(name.to_owned(), bytes.to_vec());
            Ok(())
        };
        self.fuse.guard(write, died)
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        let remove = || {
            self.files.lock().remove(name);
            Ok(())
        };
        self.fuse.guard(remove, died)
    }

    fn probe(&self, _: &str) -> Result<(), FileError> {
        Ok(())
    }

    fn place(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }
}

impl Tapes for Written {
    fn tape(&self, attempt: AttemptId) -> Box<dyn Tape> {
        Box::new(Strip {
            name: format!("steps-{attempt}.log"),
            written: self.clone(),
        })
    }

    /// All others: nobody may need one again.
    fn prune(&self, last: AttemptId) -> Result<(), FileError> {
        let own = format!("steps-{last}.log");
        let prune = || {
            let is_old = |name: &str| name.starts_with("steps-") && name != own;
            self.files.lock().retain(|name, _| !is_old(name));
            Ok(())
        };
        self.fuse.guard(prune, died)
    }
}

#[derive(Debug)]
struct Strip {
    name: String,
    written: Written,
}

impl Tape for Strip {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        Ok(self
            .written
            .files
            .lock()
            .get(&self.name)
            .cloned()
            .unwrap_or_default())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let add = |bytes: &[u8]| {
            let mut files = self.written.files.lock();
            files.entry(self.name.clone()).or_default().extend(bytes);
        };
        match self.written.fuse.ask() {
            _ if self.written.forgetful => Ok(()),
            Verdict::Happens => {
                add(bytes);
                Ok(())
            }
            Verdict::HappensUnheard => {
                add(bytes);
                Err(died())
            }
            Verdict::Torn => {
                add(&bytes[..bytes.len() / 2]);
                Err(died())
            }
            Verdict::Not => Err(died()),
        }
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.written.write(&self.name, bytes)
    }
}

/// The server, acted on by a process that may die.
pub struct Acting {
    pub patch: Arc<dyn PatchHost>,
    pub boot: Arc<dyn BootHost>,
    pub bmc: Arc<dyn BmcTimerHost>,
    pub services: Arc<dyn ServicesHost>,
    pub fuse: Arc<Fuse>,
    pub tools: Arc<Tools>,
    pub acts: Acts,
    pub sabotage: Option<Sabotage>,
}

impl std::fmt::Debug for Acting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acting")
    }
}

impl Acting {
    fn patches<T>(
        &self,
        attempt: Uuid,
        act: Option<Act>,
        effect: impl FnOnce() -> Result<T, PatchError>,
    ) -> Result<T, PatchError> {
        let dead = || PatchError::Write {
            attempt,
            source: died(),
        };
        let effect = || {
            let done = effect()?;
            act.into_iter().for_each(|act| self.acts.add(act));
            Ok(done)
        };
        self.runs(|| self.fuse.guard(effect, dead))
    }

    fn boots<T>(
        &self,
        act: Act,
        effect: impl FnOnce() -> Result<T, BootError>,
    ) -> Result<T, BootError> {
        let dead = || BootError::Write {
            file: "(the process died)",
            source: died(),
        };
        let effect = || {
            let done = effect()?;
            self.acts.add(act);
            Ok(done)
        };
        self.runs(|| self.fuse.guard(effect, dead))
    }

    /// Runs a tool.
    fn runs<T, E: From<ToolError>>(&self, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.tools.ask() {
            Heard::Answer => run(),
            Heard::NothingButDone => run().and_then(|_| Err(self.silent().into())),
            Heard::Nothing => Err(self.silent().into()),
            Heard::Ended => Err(refused().into()),
        }
    }

    fn silent(&self) -> ToolError {
        match self.sabotage {
            Some(Sabotage::SilenceIsRefusal) => refused(),
            _ => ToolError::Silent {
                tool: "a tool",
                source: "killed by signal 9".into(),
            },
        }
    }
}

/// As a tool that was ended may say it itself.
fn refused() -> ToolError {
    ToolError::Refused {
        tool: "a tool",
        code: 100,
        said: "it was ended".to_owned(),
    }
}

impl PatchHost for Acting {
    fn database(&self) -> RawDatabase {
        self.patch.database()
    }

    fn plan(&self, wanted: &[Pinned]) -> RawPlan {
        let heard = self.tools.ask();
        let refusal = self.sabotage == Some(Sabotage::SilenceIsRefusal);
        match heard {
            Heard::Answer => self.patch.plan(wanted),
            Heard::Nothing | Heard::NothingButDone if !refusal => RawPlan::default(),
            _ => {
                let answer = Some(RawAnswer {
                    code: 100,
                    stdout: Vec::new(),
                    stderr: "E: it was ended\n".to_owned(),
                });
                RawPlan {
                    simulation: answer.clone(),
                    archives: answer,
                    ..RawPlan::default()
                }
            }
        }
    }

    fn index_updated_at(&self) -> Option<Timestamp> {
        self.patch.index_updated_at()
    }

    fn refresh(&self, leave: MayAct) -> Result<(), PatchError> {
        self.patch.refresh(leave)
    }

    fn download(&self, wanted: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        self.patches(Uuid::nil(), None, || self.patch.download(wanted, leave))
    }

    fn keep_old(&self, installed: &[Pinned], leave: MayAct) -> Result<Vec<Pinned>, PatchError> {
        self.patches(Uuid::nil(), None, || self.patch.keep_old(installed, leave))
    }

    fn clean(&self, old: &[Pinned], new: &[Pinned], leave: MayAct) -> Result<(), PatchError> {
        self.patches(Uuid::nil(), None, || self.patch.clean(old, new, leave))
    }

    fn hold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.patches(Uuid::nil(), Some(Act::Hold), || {
            self.patch.hold(names, leave)
        })
    }

    fn unhold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError> {
        self.patches(Uuid::nil(), None, || self.patch.unhold(names, leave))
    }

    fn start(&self, spec: &Spec, leave: MayAct) -> Result<(), PatchError> {
        let before = self.patch.trace(spec.attempt);
        if before.specified && self.sabotage == Some(Sabotage::StartsOnce) {
            let attempt = spec.attempt;
            return Err(PatchError::Known { attempt });
        }
        let had = match before.begun {
            true => Had::Begun,
            false => Had::NotBegun,
        };
        let act = match spec.action {
            Action::Install { .. } => Act::Install(spec.attempt, had),
            Action::PutBack { .. } | Action::ConfigureAll | Action::FixBroken => {
                Act::Mend(spec.attempt)
            }
        };
        self.patches(spec.attempt, Some(act), || self.patch.start(spec, leave))
    }

    fn trace(&self, attempt: Uuid) -> RawTrace {
        self.patch.trace(attempt)
    }

    fn at_work(&self) -> Option<Vec<Uuid>> {
        self.patch.at_work()
    }

    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        // No tool: files of its own.
        let dead = || PatchError::Write {
            attempt,
            source: died(),
        };
        self.fuse.guard(|| self.patch.withdraw(attempt), dead)
    }
}

impl BootHost for Acting {
    fn boot(&self) -> RawBoot {
        self.boot.boot()
    }

    fn pin(&self, entry: Option<&str>, kept: &[String], leave: MayAct) -> Result<(), BootError> {
        self.boots(Act::Boot("pin"), || self.boot.pin(entry, kept, leave))
    }

    fn arm(&self, way: &WayBack, leave: MayAct) -> Result<String, BootError> {
        self.boots(Act::Boot("arm"), || self.boot.arm(way, leave))
    }

    fn disarm(&self, exception: Exception) -> Result<(), BootError> {
        self.boots(Act::Boot("disarm"), || self.boot.disarm(exception))
    }

    fn restore(&self, entry: Option<&str>, leave: MayAct) -> Result<(), BootError> {
        self.boots(Act::Boot("restore"), || self.boot.restore(entry, leave))
    }

    fn commit(&self, entry: &str, leave: MayAct) -> Result<(), BootError> {
        self.boots(Act::Boot("commit"), || self.boot.commit(entry, leave))
    }

    fn reboot(&self, how: Restart, leave: MayAct) -> Result<(), BootError> {
        // Silence is no news here: the agent takes it for a boot that may come.
        let dead = || BootError::Write {
            file: "(the process died)",
            source: died(),
        };
        let reboot = || {
            self.boot.reboot(how, leave)?;
            self.acts.add(Act::Reboot);
            Ok(())
        };
        self.fuse.guard(reboot, dead)
    }
}

impl Acting {
    fn asks_bmc<T>(&self, ask: impl FnOnce() -> Result<T, ToolError>) -> Result<T, ToolError> {
        let dead = || self.silent();
        self.runs(|| self.fuse.guard(ask, dead))
    }
}

impl BmcTimerHost for Acting {
    fn access(&self) -> Access {
        self.bmc.access()
    }

    fn timer(&self) -> Result<String, ToolError> {
        self.runs(|| self.bmc.timer())
    }

    fn set(&self, setting: [u8; 6]) -> Result<(), ToolError> {
        let stops = setting[1] == 0;
        if stops && self.sabotage == Some(Sabotage::LeavesTheWatchdog) {
            return Ok(());
        }
        self.asks_bmc(|| self.bmc.set(setting))
    }

    fn start(&self, leave: MayAct) -> Result<(), ToolError> {
        self.asks_bmc(|| {
            self.bmc.start(leave)?;
            self.acts.add(Act::Boot("watchdog"));
            Ok(())
        })
    }
}

impl ServicesHost for Acting {
    fn restart(&self, unit: &str, leave: MayAct) -> Result<(), RestartError> {
        let dead = || RestartError {
            unit: unit.to_owned(),
            said: "the process died".to_owned(),
        };
        let effect = || {
            self.services.restart(unit, leave)?;
            self.acts.add(Act::Restart(unit.to_owned()));
            Ok(())
        };
        self.fuse.guard(effect, dead)
    }
}
