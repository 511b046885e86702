//! What the agent changed on a simulated server. Its acts are lines in the file of faults as well, so
//! that they survive a restart of the agent, in the order in which they happened.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

use super::bmc::{self, BmcAct, Timer};
use super::scenario::{Packages, Scenario, Upgrade};
use crate::host::patching::{Action, Ended, Pinned};

/// An act of the agent, or what will become of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Transaction(Uuid, Action),
    /// It is never begun, unless it has.
    Withdrawn(Uuid),
    /// What becomes of the next transaction.
    Fate(Fate),
    /// Every boot leads into this kernel.
    BootDefault(String),
    /// No default is kept: the menu's first entry boots.
    BootDefaultNot,
    /// The next boot leads into this kernel, once.
    BootOnce(String),
    BootOnceNot,
    /// This kernel is loaded, to be started by the one that runs.
    Load(String),
    LoadNot,
    /// The boot that follows starts what is loaded.
    Kexec,
    Hold(String),
    Unhold(String),
    /// The unit uses no replaced file any more.
    Restarted(String),
    /// This kernel panics, and GRUB goes back.
    KernelPanics(String),
    /// This kernel hangs: nobody hears of it again until something resets the server.
    KernelHangs(String),
    Bmc(BmcAct),
}

/// How a boot went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Boot {
    #[default]
    Up,
    /// A kernel hung for so long, until the BMC reset the server.
    ResetAfter(Duration),
    /// A kernel hangs, and nothing ends it.
    Hangs,
}

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It ends with an error and has done nothing.
    Nothing,
    /// It ends with an error and has changed the first package.
    Half,
    /// It is cut off and leaves the first package half-configured.
    Damage,
    /// It changes all, and the first package cannot be configured, by any repair: only another version
    /// of it takes its place.
    Stuck,
    /// It never ends.
    Hang,
    /// It is written down, and its unit is not started.
    Unstarted,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    /// Versions that differ from the scenario's.
    pub(super) versions: BTreeMap<String, String>,
    /// `None`: still at work.
    pub(super) transactions: BTreeMap<Uuid, Option<Ended>>,
    /// Written down, begun or not.
    pub(super) specified: BTreeSet<Uuid>,
    pub(super) withdrawn: BTreeSet<Uuid>,
    /// Kernels besides the running and the newest one.
    pub(super) kernels: BTreeSet<String>,
    pub(super) held: BTreeSet<String>,
    /// Packages whose version that is there cannot be configured.
    pub(super) stuck: BTreeSet<String>,
    pub(super) boot_default: Option<String>,
    pub(super) boot_once: Option<String>,
    pub(super) loaded: Option<String>,
    panics: BTreeSet<String>,
    hangs: BTreeSet<String>,
    pub(super) timer: Timer,
    /// Of the last boot.
    pub(super) last: Boot,
    fate: Option<Fate>,
}

impl Changes {
    pub(super) fn apply(&mut self, act: &Act, server: &mut Scenario) {
        match act {
            Act::Transaction(attempt, action) => self.transaction(*attempt, action, server),
            Act::Withdrawn(attempt) => {
                if !self.transactions.contains_key(attempt) {
                    self.specified.remove(attempt);
                    self.withdrawn.insert(*attempt);
                }
            }
            Act::Fate(fate) => self.fate = Some(*fate),
            Act::BootDefault(kernel) => self.boot_default = Some(kernel.clone()),
            Act::BootDefaultNot => self.boot_default = None,
            Act::BootOnce(kernel) => self.boot_once = Some(kernel.clone()),
            Act::BootOnceNot => self.boot_once = None,
            Act::Load(kernel) => self.loaded = Some(kernel.clone()),
            Act::LoadNot => self.loaded = None,
            Act::Kexec => self.boot_once = self.loaded.take(),
            Act::Hold(name) => {
                self.held.insert(name.clone());
            }
            Act::Unhold(name) => {
                self.held.remove(name);
            }
            Act::Restarted(unit) => server.packages.restart.retain(|u| u != unit),
            Act::KernelPanics(kernel) => {
                self.panics.insert(kernel.clone());
            }
            Act::KernelHangs(kernel) => {
                self.hangs.insert(kernel.clone());
            }
            Act::Bmc(act) => self.timer.apply(*act),
        }
    }

    fn transaction(&mut self, attempt: Uuid, action: &Action, server: &mut Scenario) {
        if self.transactions.contains_key(&attempt) || self.withdrawn.contains(&attempt) {
            return;
        }
        self.specified.insert(attempt);
        if self.fate == Some(Fate::Unstarted) {
            self.fate = None;
            return;
        }
        let failed = |code, complaint: &str| Ended::Exited {
            code,
            complaint: complaint.to_owned(),
        };
        let fate = self.fate.take();
        let packages = &mut server.packages;
        let ended = match action {
            Action::ConfigureAll | Action::FixBroken => {
                packages.broken.retain(|name| self.stuck.contains(name));
                let code = i32::from(!packages.broken.is_empty());
                Some(failed(code, ""))
            }
            Action::Install { packages: pins } | Action::PutBack { packages: pins } => match fate {
                None => {
                    pins.iter().for_each(|pin| self.install(pin, packages));
                    Some(failed(0, ""))
                }
                Some(Fate::Nothing) => Some(failed(100, "E: a simulated failure")),
                Some(Fate::Half) => {
                    pins.iter()
                        .take(1)
                        .for_each(|pin| self.install(pin, packages));
                    Some(failed(100, "E: a simulated failure"))
                }
                Some(Fate::Damage) => {
                    let first = pins.iter().take(1).map(|p| p.name().to_owned());
                    packages.broken.extend(first);
                    pins.iter().for_each(|pin| self.install(pin, packages));
                    Some(Ended::Killed {
                        why: "the simulated power failed".to_owned(),
                    })
                }
                Some(Fate::Stuck) => {
                    pins.iter().for_each(|pin| self.install(pin, packages));
                    let first = pins.iter().take(1).map(|p| p.name().to_owned());
                    self.stuck.extend(first.clone());
                    packages.broken.extend(first);
                    Some(failed(
                        100,
                        "E: Sub-process /usr/bin/dpkg returned an error code (1)",
                    ))
                }
                Some(Fate::Hang | Fate::Unstarted) => None,
            },
        };
        self.transactions.insert(attempt, ended);
    }

    fn install(&mut self, pin: &Pinned, packages: &mut Packages) {
        if let Some(release) = pin.name().strip_prefix("linux-image-")
            && release.starts_with(|c: char| c.is_ascii_digit())
        {
            packages.newest_kernel = release.to_owned();
        }
        let version = pin.version().to_owned();
        self.versions.insert(pin.name().to_owned(), version);
        if self.stuck.remove(pin.name()) {
            packages.broken.retain(|name| name != pin.name());
        }
        let upgrade = packages.upgrade.iter().find(|u| u.name == pin.name());
        if let Some((image, version)) = upgrade.and_then(|u| self.arriving(u))
            && version == pin.version()
        {
            packages.newest_kernel = image.trim_start_matches("linux-image-").to_owned();
            self.versions.insert(image, version);
        }
    }

    /// The image that comes with an update, and its version, while it is not there.
    pub(super) fn arriving(&self, upgrade: &Upgrade) -> Option<(String, String)> {
        let image = format!("linux-image-{}", upgrade.brings.as_ref()?);
        let is_there = self.versions.contains_key(&image);
        (!is_there).then(|| (image, upgrade.candidate.clone()))
    }

    /// Kernels in the order of the boot menu, the newest first.
    pub(super) fn menu(&self, server: &Scenario) -> Vec<String> {
        let mut kernels = self.kernels.clone();
        kernels.insert(server.os.kernel.clone());
        let newest = server.packages.newest_kernel.clone();
        kernels.remove(&newest);
        let top = Some(newest).filter(|k| !k.is_empty());
        top.into_iter().chain(kernels.into_iter().rev()).collect()
    }

    /// The kernel that a boot leads into. A one-shot is used up, whatever comes of it.
    pub(super) fn boot(&mut self, server: &mut Scenario) {
        let newest = Some(server.packages.newest_kernel.clone()).filter(|k| !k.is_empty());
        let running = server.os.kernel.clone();
        let first = self.menu(server).into_iter().next();
        let settled = self.boot_default.clone().or(first);
        let settled = settled.unwrap_or_else(|| running.clone());
        self.loaded = None;
        let chosen = self.boot_once.take().unwrap_or_else(|| settled.clone());
        self.last = match self.hangs.contains(&chosen) {
            true => self.timer.runs_out().map_or(Boot::Hangs, Boot::ResetAfter),
            false => Boot::Up,
        };
        let is_reset = self.panics.contains(&chosen) || matches!(self.last, Boot::ResetAfter(_));
        let came = match is_reset {
            true => settled,
            false => chosen,
        };
        if newest.as_ref() == Some(&came) {
            server.packages.newest_kernel.clear();
        }
        self.kernels.extend([running, came.clone()]);
        self.kernels.extend(newest);
        server.os.kernel = came;
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let own = |s: &str| s.to_owned();
        Ok(match words[..] {
            ["transaction", attempt, action, ref pins @ ..] => {
                Self::Transaction(id(attempt)?, transaction(action, pins)?)
            }
            ["transaction.withdrawn", attempt] => Self::Withdrawn(id(attempt)?),
            ["transaction.next", fate] => Self::Fate(match fate {
                "nothing" => Fate::Nothing,
                "half" => Fate::Half,
                "damage" => Fate::Damage,
                "stuck" => Fate::Stuck,
                "hang" => Fate::Hang,
                "unstarted" => Fate::Unstarted,
                _ => {
                    return Err(format!(
                        "{fate:?} is none of nothing, half, damage, stuck, hang, unstarted"
                    ));
                }
            }),
            ["boot.default", kernel] => Self::BootDefault(own(kernel)),
            ["boot.default-not"] => Self::BootDefaultNot,
            // By GRUB, and by the firmware.
            ["boot.once" | "boot.next", kernel] => Self::BootOnce(own(kernel)),
            ["boot.once-not" | "boot.next-not"] => Self::BootOnceNot,
            ["boot.load", kernel] => Self::Load(own(kernel)),
            ["boot.load-not"] => Self::LoadNot,
            ["boot.kexec"] => Self::Kexec,
            ["package.hold", name] => Self::Hold(own(name)),
            ["package.unhold", name] => Self::Unhold(own(name)),
            ["unit.restarted", unit] => Self::Restarted(own(unit)),
            ["kernel.panics", kernel] => Self::KernelPanics(own(kernel)),
            ["kernel.hangs", kernel] => Self::KernelHangs(own(kernel)),
            _ => {
                let bmc = bmc::read(line).map(Self::Bmc);
                return bmc.ok_or_else(|| format!("no such fault: {line:?}"));
            }
        })
    }
}

fn id(attempt: &str) -> Result<Uuid, String> {
    attempt
        .parse()
        .map_err(|_| format!("{attempt:?} is no attempt"))
}

fn transaction(action: &str, pins: &[&str]) -> Result<Action, String> {
    let packages: Result<Vec<Pinned>, _> = pins.iter().map(|p| p.parse()).collect();
    let packages = packages.map_err(|e| crate::chain(&e))?;
    Ok(match action {
        "install" => Action::Install { packages },
        "put-back" => Action::PutBack { packages },
        "configure" => Action::ConfigureAll,
        "fix" => Action::FixBroken,
        _ => return Err(format!("{action:?} is no transaction")),
    })
}

/// The line that [`Act`] reads again.
pub(super) fn line(attempt: Uuid, action: &Action) -> String {
    let (word, pins): (_, &[Pinned]) = match action {
        Action::Install { packages } => ("install", packages),
        Action::PutBack { packages } => ("put-back", packages),
        Action::ConfigureAll => ("configure", &[]),
        Action::FixBroken => ("fix", &[]),
    };
    let pins = pins
        .iter()
        .fold(String::new(), |text, pin| format!("{text} {pin}"));
    format!("transaction {attempt} {word}{pins}")
}
