//! A BMC's folder: what it is, how it behaves, and what it leaves there.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::mode::{Mode, ModeFile};

/// The standard port of IPMI-over-LAN.
pub const IPMI_PORT: u16 = 623;
/// Redfish is HTTPS on its own port.
pub const REDFISH_PORT: u16 = 443;

/// What a BMC is. Written once, before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The server's name; also the id of its Redfish system, chassis and manager.
    pub name: String,
    /// The BMC's own address.
    pub address: Ipv4Addr,
    pub user: String,
    pub password: String,
    /// The server's serial number and UUID, as DMI tells them inside.
    pub serial: String,
    pub uuid: Uuid,
    /// Where `ipmi_sim`'s hook reaches the BMC. A socket's path has at most 107 bytes.
    pub hook: PathBuf,
    /// What the BMC switches.
    pub switches: Switches,
}

/// What stands behind a BMC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switches {
    /// A server that is only written down, in the BMC's own folder.
    Scripted,
    /// The lab's server of the same name.
    Server,
}

/// The folder of one BMC.
#[derive(Clone, Debug)]
pub struct BmcFolder {
    path: PathBuf,
}

impl BmcFolder {
    /// Makes the folder of a new BMC.
    pub fn make(path: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let this = Self::at(path);
        let what = || format!("cannot make the folder {} of a BMC", path.display());
        fs::create_dir_all(this.ipmi_state()).with_context(what)?;
        let text = serde_json::to_string_pretty(settings)?;
        fs::write(this.path.join("bmc.json"), text).with_context(what)?;
        Ok(this)
    }

    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn settings(&self) -> anyhow::Result<Settings> {
        let path = self.path.join("bmc.json");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("no BMC in {}", self.path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Changes how the BMC behaves, from its next request on.
    pub fn set_mode(&self, mode: Mode) -> anyhow::Result<()> {
        let path = self.mode_file();
        ModeFile::write(&path, mode).with_context(|| format!("cannot write {}", path.display()))
    }

    /// How the BMC behaves.
    #[must_use]
    pub fn mode(&self) -> Mode {
        ModeFile::new(self.mode_file()).current()
    }

    #[must_use]
    pub fn mode_file(&self) -> PathBuf {
        self.path.join("mode")
    }

    /// The certificate that the Redfish side shows.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path.join("redfish.pem")
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.path.join("redfish.key")
    }

    /// Is there while the BMC answers.
    #[must_use]
    pub fn ready(&self) -> PathBuf {
        self.path.join("ready")
    }

    /// The process id of `ipmi_sim`.
    #[must_use]
    pub fn ipmi_pid(&self) -> PathBuf {
        self.path.join("ipmi_sim.pid")
    }

    /// What `ipmi_sim` remembers.
    #[must_use]
    pub fn ipmi_state(&self) -> PathBuf {
        self.path.join("ipmi")
    }
}
