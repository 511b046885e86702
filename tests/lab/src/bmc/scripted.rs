//! A power switch without a server: a file that says on or off.
//!
//! It lets the BMC's programs and their real clients be tried without a VM. Everything is on disk,
//! so that the test and the BMC's process see the same server.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::power::{Power, PowerSwitch};

/// The file of a scripted server, below its BMC's folder.
pub const FOLDER: &str = "scripted";

/// A server that is only written down.
#[derive(Clone, Debug)]
pub struct Scripted {
    folder: PathBuf,
}

impl Scripted {
    /// Makes the server below this folder.
    pub fn make(bmc: &Path, power: Power) -> anyhow::Result<Self> {
        let this = Self::at(bmc);
        fs::create_dir_all(&this.folder)?;
        this.set(power)?;
        Ok(this)
    }

    /// The server that was made below this folder.
    #[must_use]
    pub fn at(bmc: &Path) -> Self {
        Self {
            folder: bmc.join(FOLDER),
        }
    }

    /// What was done to it, in order: `on`, `off`, `reset`, `nmi`, `button`.
    pub fn acts(&self) -> anyhow::Result<Vec<String>> {
        match fs::read_to_string(self.folder.join("acts")) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e).context("cannot read what was done to the scripted server"),
        }
    }

    /// From now on everything fails for this reason.
    pub fn break_it(&self, why: &str) -> io::Result<()> {
        fs::write(self.folder.join("broken"), why)
    }

    fn set(&self, power: Power) -> anyhow::Result<()> {
        let new = self.folder.join("power.new");
        fs::write(&new, word(power))?;
        fs::rename(new, self.folder.join("power"))?;
        Ok(())
    }

    fn note(&self, act: &str) -> anyhow::Result<()> {
        let mut acts = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("acts"))?;
        Ok(writeln!(acts, "{act}")?)
    }

    fn works(&self) -> anyhow::Result<()> {
        match fs::read_to_string(self.folder.join("broken")) {
            Ok(why) => bail!("{why}"),
            Err(_) => Ok(()),
        }
    }

    /// Acts only while it is on, as a server without power does not hear its reset line.
    fn while_on(&self, act: &str) -> anyhow::Result<()> {
        match self.state()? {
            Power::On => self.note(act),
            Power::Off => Ok(()),
        }
    }

    fn turn(&self, power: Power) -> anyhow::Result<()> {
        if self.state()? == power {
            return Ok(());
        }
        self.note(word(power))?;
        self.set(power)
    }
}

fn word(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
    }
}

impl PowerSwitch for Scripted {
    fn state(&self) -> anyhow::Result<Power> {
        self.works()?;
        let path = self.folder.join("power");
        let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        match text.trim() {
            "on" => Ok(Power::On),
            "off" => Ok(Power::Off),
            other => bail!("{} says {other:?}, which is no power state", path.display()),
        }
    }

    fn on(&self) -> anyhow::Result<()> {
        self.turn(Power::On)
    }

    fn off(&self) -> anyhow::Result<()> {
        self.turn(Power::Off)
    }

    fn reset(&self) -> anyhow::Result<()> {
        self.while_on("reset")
    }

    fn nmi(&self) -> anyhow::Result<()> {
        self.while_on("nmi")
    }

    /// Its system shuts down at once.
    fn button(&self) -> anyhow::Result<()> {
        self.note("button")?;
        match self.state()? {
            Power::On => self.set(Power::Off),
            Power::Off => self.set(Power::On),
        }
    }
}
