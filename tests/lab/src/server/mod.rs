//! One server: a virtual machine whose disks survive its power cuts. Everything about it is on
//! disk, so any command of the lab can drive it.

mod arguments;
mod console;
mod devices;
mod disks;
mod places;
mod power;
mod qmp;
mod spec;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

pub use self::places::Places;
pub use self::power::{BOOT_WITHIN, Power};
pub use self::qmp::Qmp;
pub use self::spec::{Bus, Disk, Fault, Spec, number_of};
use crate::lab::Lab;
use crate::space::Network;

/// An ordinary command on a server that is not booting.
const LIMIT: Duration = Duration::from_secs(120);

/// A server of a lab.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    lab: &'a Lab,
    number: u8,
}

impl<'a> Server<'a> {
    pub(crate) fn new(lab: &'a Lab, number: u8) -> Self {
        Self { lab, number }
    }

    /// Makes its disks; it is not started. What an earlier server of this name left is removed.
    pub(crate) fn create(lab: &'a Lab, spec: &Spec, image: &Path) -> Result<Self> {
        let server = Self::new(lab, spec.number);
        let places = server.places();
        let folder = places.folder();
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        crate::image::overlay(&own_base(image, &places.base())?, &places.os())?;
        if spec.flavour.has_uefi() {
            fs::copy(arguments::VARIABLES, places.variables())
                .with_context(|| format!("cannot copy {}", arguments::VARIABLES))?;
        }
        for disk in &spec.disks {
            disks::make_file(&places.disk(&disk.id()), disk.size_gib)?;
        }
        spec.write(&places.spec())?;
        Ok(server)
    }

    pub fn name(&self) -> String {
        format!("s{}", self.number)
    }

    pub fn number(&self) -> u8 {
        self.number
    }

    pub fn places(&self) -> Places {
        self.lab.places(&self.name())
    }

    /// What it is now.
    ///
    /// # Errors
    /// When the lab has no such server.
    pub fn spec(&self) -> Result<Spec> {
        Spec::read(&self.places().spec())
            .with_context(|| format!("the lab has no server {}", self.name()))
    }

    /// Runs a shell command on it as root; it must succeed.
    ///
    /// # Errors
    /// When it fails, or takes longer than two minutes.
    pub fn run(&self, script: &str) -> Result<String> {
        self.run_within(script, LIMIT)
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// When it fails, or takes longer.
    pub fn run_within(&self, script: &str, limit: Duration) -> Result<String> {
        self.lab.ssh().run(self.number, script, limit)
    }

    /// Runs a shell command on it that may fail.
    ///
    /// # Errors
    /// When the server is not reached.
    pub fn output(&self, script: &str) -> Result<Output> {
        self.lab.ssh().output(self.number, script, LIMIT)
    }

    /// The boot that runs.
    ///
    /// # Errors
    /// When the server is not reached.
    pub fn boot_id(&self) -> Result<String> {
        self.run("cat /proc/sys/kernel/random/boot_id")
    }

    /// Pulls or plugs the cable of a network: the server sees the carrier go or come.
    ///
    /// # Errors
    /// When the server is off.
    pub fn set_carrier(&self, network: Network, up: bool) -> Result<()> {
        let arguments = serde_json::json!({"name": format!("{}-nic", network.name()), "up": up});
        self.qmp("set_link", &arguments)?;
        Ok(())
    }

    /// One command to QEMU.
    ///
    /// # Errors
    /// When the server is off, or QEMU refuses.
    pub fn qmp(&self, command: &str, arguments: &Value) -> Result<Value> {
        let mut qmp = Qmp::connect(&self.places().monitor())
            .with_context(|| format!("is {} on?", self.name()))?;
        qmp.call(command, arguments)
    }
}

/// The image under a name of the server's own, so that it stays when the cache forgets it. Across
/// file systems it keeps the cache's name.
fn own_base(image: &Path, base: &Path) -> Result<PathBuf> {
    match fs::hard_link(image, base) {
        Ok(()) => Ok(base.to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::CrossesDevices => Ok(image.to_owned()),
        Err(e) => {
            Err(e).with_context(|| format!("cannot link {} to {}", base.display(), image.display()))
        }
    }
}
