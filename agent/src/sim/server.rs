//! A simulated server: its state, what the agent sees of it, and its faults.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use h8lio_model::ids::BootId;
use h8lio_tls::files::FileError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::changes::Boot as LastBoot;
use super::effects::{SimClock, SimDisk};
use super::fault::Fault;
use super::scenario::Scenario;
use super::state::State;
use crate::clock::{Clock, SharedClock};
use crate::config;
use crate::entropy::{Entropy, SystemEntropy};
use crate::host::boot::BootHost;
use crate::host::patching::PatchHost;
use crate::host::services::ServicesHost;
use crate::identity::{Disk, PrivateFolder};
use crate::report::Hosts;

/// Name of the file in the state directory that faults are appended to.
const FAULTS: &str = "faults";

/// Name of the file in the state directory that keeps the present boot.
const BOOT: &str = "boot.json";

/// A server that hangs is not heard of again: longer than any simulation.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How often the faults are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Longest file of faults read, bytes.
const FAULTS_MAX: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Boot {
    boot_id: BootId,
    booted_at: Timestamp,
    /// Reboots among the faults before it. More than these: one came that no agent lived to see.
    #[serde(default)]
    after: usize,
}

/// The state behind all host traits.
#[derive(Debug)]
pub(super) struct SimHost {
    state: Mutex<State>,
    /// The file of faults, into which the agent's own acts go too.
    faults: PathBuf,
    clock: Arc<SimClock>,
}

impl SimHost {
    /// The state, once the collector called `part` no longer hangs. Blocks meanwhile, as a read
    /// from a broken disk does.
    pub(super) fn read(&self, part: &str) -> MutexGuard<'_, State> {
        loop {
            let state = self.lock();
            let now = self.clock.now().steady;
            match state.hangs.get(part) {
                Some(until) if now < *until => {
                    drop(state);
                    std::thread::sleep(Duration::from_millis(50));
                }
                _ => return state,
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Writes down something that the agent does; it happens as a fault does.
    pub(super) fn act(&self, line: &str) -> Result<(), FileError> {
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).open(&self.faults)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| FileError::Write {
            path: self.faults.clone(),
            source,
        })
    }

    /// All that was ever written there.
    pub(super) fn acts(&self) -> String {
        std::fs::read_to_string(&self.faults).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A fault is applied whole or refused; a panic elsewhere leaves the state usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One simulated server and its agent's surroundings.
#[derive(Debug)]
pub struct SimServer {
    host: Arc<SimHost>,
    clock: Arc<SimClock>,
    full: Arc<AtomicBool>,
    frozen: watch::Sender<bool>,
    state_dir: PathBuf,
    /// Lines of the fault file already carried out.
    done: Mutex<usize>,
}

impl SimServer {
    /// Loads the scenario and applies the faults that lie in the state directory.
    ///
    /// # Errors
    /// When the scenario cannot be read, or the boot id cannot be kept.
    pub fn load(scenario: &Path, state_dir: &Path) -> anyhow::Result<Self> {
        let named = || format!("cannot use the scenario {}", scenario.display());
        let text = std::fs::read_to_string(scenario).with_context(named)?;
        let server: Scenario =
            toml::from_str(&text).map_err(|e| config::text_error(scenario, &text, &e))?;
        let clock = Arc::new(SimClock::default());
        let boot = boot(state_dir, clock.now().wall)?;
        let state = State {
            server,
            boot_id: boot.boot_id,
            booted_at: boot.booted_at,
            changes: 0,
            changes_made: Default::default(),
            hangs: Default::default(),
        };
        let host = Arc::new(SimHost {
            state: Mutex::new(state),
            faults: state_dir.join(FAULTS),
            clock: Arc::clone(&clock),
        });
        let this = Self {
            host,
            clock,
            full: Arc::default(),
            frozen: watch::Sender::new(false),
            state_dir: state_dir.to_owned(),
            done: Mutex::new(0),
        };
        for fault in this.fresh_faults() {
            if !fault.is_transient() {
                this.carry_out(&fault);
            }
        }
        Ok(this)
    }

    /// All host traits, answered by this server.
    pub fn hosts(&self) -> Hosts {
        let host = &self.host;
        Hosts {
            hardware: Arc::clone(host) as _,
            os: Arc::clone(host) as _,
            vitals: Arc::clone(host) as _,
            disks: Arc::clone(host) as _,
            osds: Arc::clone(host) as _,
            network: Arc::clone(host) as _,
            packages: Arc::clone(host) as _,
            runtime: Arc::clone(host) as _,
            managers: Arc::clone(host) as _,
            boot: Arc::clone(host) as _,
            bmc: Arc::clone(host) as _,
        }
    }

    /// The server, as somebody who may change packages.
    pub fn patching(&self) -> Arc<dyn PatchHost> {
        Arc::clone(&self.host) as _
    }

    /// The server, as somebody who may restart units.
    pub fn services(&self) -> Arc<dyn ServicesHost> {
        Arc::clone(&self.host) as _
    }

    /// The server, as somebody who may change what boots.
    pub fn booting(&self) -> Arc<dyn BootHost> {
        Arc::clone(&self.host) as _
    }

    /// The state directory's disk.
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(SimDisk {
            real: PrivateFolder::new(&self.state_dir),
            full: Arc::clone(&self.full),
        })
    }

    /// The server's clock.
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock) as _
    }

    /// Whether the agent is to stand still.
    pub fn frozen(&self) -> watch::Receiver<bool> {
        self.frozen.subscribe()
    }

    /// Carries out faults as they are appended; ends with a reboot.
    pub(super) async fn watch_faults(&self) -> Duration {
        loop {
            for fault in self.fresh_faults() {
                tracing::info!("simulated fault: {fault:?}");
                self.carry_out(&fault);
                match fault {
                    Fault::Reboot(down) => {
                        self.new_boot();
                        return match self.last_boot() {
                            LastBoot::Up => down,
                            LastBoot::ResetAfter(hung) => down + hung,
                            LastBoot::Hangs => NEVER,
                        };
                    }
                    Fault::BeatStop(span) => {
                        self.frozen.send_replace(true);
                        tokio::time::sleep(span).await;
                        self.frozen.send_replace(false);
                    }
                    _ => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Lets happen what was written since; answers whether the server was booted. For whoever keeps
    /// time himself: the real daemon watches the file instead.
    pub fn carry_out_fresh(&self) -> bool {
        let mut booted = false;
        for fault in self.fresh_faults() {
            self.carry_out(&fault);
            booted |= matches!(fault, Fault::Reboot(_));
        }
        if booted {
            self.new_boot();
        }
        booted
    }

    /// How the last boot went.
    pub fn last_boot(&self) -> LastBoot {
        self.host.lock().changes_made.last
    }

    /// Appends a fault.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, line: &str) -> Result<(), FileError> {
        self.host.act(line)
    }

    /// Chooses the boot that the next [`SimServer::load`] finds, where chance would.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn choose_boot(
        state_dir: &Path,
        boot_id: BootId,
        booted_at: Timestamp,
    ) -> Result<(), FileError> {
        let boot = Boot {
            boot_id,
            booted_at,
            after: reboots(state_dir),
        };
        let bytes = serde_json::to_vec(&boot).expect("ids and times have a JSON form");
        PrivateFolder::new(state_dir).write(BOOT, &bytes)
    }

    fn carry_out(&self, fault: &Fault) {
        let mut state = self.host.lock();
        if let Err(why) = state.apply(fault) {
            tracing::warn!("simulated fault not carried out: {why}");
        }
        match fault {
            Fault::ClockJump(by) => self.clock.jump(*by),
            Fault::StateDir { full } => self.full.store(*full, Ordering::SeqCst),
            Fault::CollectorHang(name, span) => {
                let until = self.clock.now().steady + *span;
                state.hangs.insert(name.clone(), until);
            }
            _ => {}
        }
    }

    /// The next boot has another id. A restart of the agent alone keeps it.
    fn new_boot(&self) {
        if let Err(e) = std::fs::remove_file(self.state_dir.join(BOOT)) {
            tracing::warn!("the simulated boot id stays the same: {e}");
        }
    }

    /// Faults appended since the last look, up to the last whole line.
    fn fresh_faults(&self) -> Vec<Fault> {
        let path = self.state_dir.join(FAULTS);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        if whole > FAULTS_MAX {
            tracing::warn!("{} is too long; it is not read", path.display());
            return Vec::new();
        }
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for (index, line) in text[..whole].lines().enumerate().skip(*done) {
            *done = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse() {
                Ok(fault) => found.push(fault),
                Err(why) => tracing::warn!("{}:{}: {why}", path.display(), index + 1),
            }
        }
        found
    }
}

/// How many reboots the file of faults holds.
fn reboots(state_dir: &Path) -> usize {
    let text = std::fs::read_to_string(state_dir.join(FAULTS)).unwrap_or_default();
    let faults = text.lines().filter_map(|l| l.trim().parse().ok());
    faults.filter(|f| matches!(f, Fault::Reboot(_))).count()
}

/// The present boot; a new one when none is kept, or when it has ended unseen.
fn boot(state_dir: &Path, now: Timestamp) -> anyhow::Result<Boot> {
    let folder = PrivateFolder::new(state_dir);
    let after = reboots(state_dir);
    if let Some(bytes) = folder.read(BOOT)?
        && let Ok(boot) = serde_json::from_slice::<Boot>(&bytes)
        && boot.after >= after
    {
        return Ok(boot);
    }
    let boot = Boot {
        after,
        boot_id: BootId(SystemEntropy.uuid()),
        // To the second, as a kernel says it.
        booted_at: Timestamp::from_second(now.as_second())?,
    };
    folder.write(BOOT, &serde_json::to_vec(&boot)?)?;
    Ok(boot)
}
