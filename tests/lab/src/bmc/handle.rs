//! A lab's BMCs, seen from outside: made, started, set to fail, stopped.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::folder::{BmcFolder, Settings, Switches};
use super::mode::Mode;
use super::power::Power;
use super::scripted::Scripted;
use crate::clock::until;
use crate::lab::Lab;
use crate::server::Server;
use crate::space::Network;

/// Who logs in to every BMC of a lab.
pub const USER: &str = "lab";
/// IPMI passwords have at most 20 bytes.
pub const PASSWORD: &str = "lab-bmc-password";

/// It takes half a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A BMC of a lab.
#[derive(Debug)]
pub struct Bmc<'a> {
    lab: &'a Lab,
    name: String,
}

impl<'a> Bmc<'a> {
    /// Makes and starts the BMC of a server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn add(server: &Server<'_>, lab: &'a Lab) -> Result<Self> {
        let spec = server.spec()?;
        let settings = Settings {
            serial: spec.serial(),
            uuid: spec.uuid().parse().context("a server's UUID is none")?,
            ..Self::settings(
                lab,
                &spec.name(),
                Network::bmc(spec.number),
                Switches::Server,
            )
        };
        Self::make(lab, &settings)
    }

    /// Makes and starts a BMC over a server that is only written down, which is on.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn add_scripted(lab: &'a Lab, name: &str, address: Ipv4Addr) -> Result<Self> {
        Scripted::make(&folder(lab, name), Power::On)?;
        Self::make(lab, &Self::settings(lab, name, address, Switches::Scripted))
    }

    /// The BMC of this name.
    ///
    /// # Errors
    /// When the lab has none.
    pub fn open(lab: &'a Lab, name: &str) -> Result<Self> {
        if !folder(lab, name).is_dir() {
            bail!("the lab has no BMC {name}; BMCs are called as their servers");
        }
        Ok(Self {
            lab,
            name: name.to_owned(),
        })
    }

    fn make(lab: &'a Lab, settings: &Settings) -> Result<Self> {
        let address = format!("{}/24", settings.address);
        let network = Network::Mgmt.name();
        lab.space()
            .run("ip", &["address", "replace", &address, "dev", network])?;
        BmcFolder::make(&folder(lab, &settings.name), settings)?;
        let bmc = Self::open(lab, &settings.name)?;
        bmc.start()?;
        Ok(bmc)
    }

    fn settings(lab: &Lab, name: &str, address: Ipv4Addr, switches: Switches) -> Settings {
        Settings {
            name: name.to_owned(),
            address,
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            serial: format!("H8LAB-{name}"),
            uuid: uuid::Uuid::from_u128(u128::from(address.to_bits())),
            hook: lab.sockets().join(format!("{name}.bmc")),
            switches,
        }
    }

    /// Starts it, and waits until both protocols are served.
    ///
    /// # Errors
    /// When it runs already, or does not come up; the end of its log is in the message.
    pub fn start(&self) -> Result<()> {
        let (ready, process) = (self.folder().ready(), self.process());
        if ready.exists() {
            fs::remove_file(&ready).context("cannot remove the sign of an earlier BMC")?;
        }
        let lab = std::env::current_exe().context("where is this program?")?;
        let mut command = self.lab.space().command(lab);
        command.arg("--dir").arg(self.lab.folder());
        command.args(["bmc-serve", &self.name]);
        let processes = self.lab.processes();
        processes.start(&process, command)?;
        until(&format!("{process} answers"), READY_WITHIN, || {
            if processes.running(&process)?.is_none() {
                bail!("{process} ended: {}", processes.last_words(&process));
            }
            Ok(ready.exists().then_some(()))
        })
    }

    /// Ends it. Its server runs on.
    ///
    /// # Errors
    /// When it survives that.
    pub fn stop(&self) -> Result<()> {
        self.lab.processes().stop(&self.process())
    }

    /// Changes how it behaves, from the next request on.
    ///
    /// # Errors
    /// When its control file cannot be written.
    pub fn set_mode(&self, mode: Mode) -> Result<()> {
        self.folder().set_mode(mode)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its process in the lab.
    pub fn process(&self) -> String {
        format!("bmc-{}", self.name)
    }

    pub fn folder(&self) -> BmcFolder {
        BmcFolder::at(&folder(self.lab, &self.name))
    }
}

/// Where a lab keeps a BMC.
fn folder(lab: &Lab, name: &str) -> PathBuf {
    lab.folder().join("bmc").join(name)
}

/// All BMCs of a lab, by name.
///
/// # Errors
/// When their folder cannot be read.
pub fn all(lab: &Lab) -> Result<Vec<Bmc<'_>>> {
    let folder = lab.folder().join("bmc");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = names_in(&folder).with_context(|| format!("in {}", folder.display()))?;
    names.sort();
    names.iter().map(|name| Bmc::open(lab, name)).collect()
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    entries
        .map(|entry| -> Result<String> { Ok(entry?.file_name().to_string_lossy().into_owned()) })
        .collect()
}

/// The password that a client of this BMC sends, and where it sends it.
#[must_use]
pub fn how_to_ask(settings: &Settings, certificate: &Path) -> String {
    let Settings {
        name,
        address,
        user,
        password,
        ..
    } = settings;
    let certificate = certificate.display();
    format!(
        "inside the namespace (lab enter):\n\
         ipmitool -I lanplus -C 3 -H {address} -U {user} -P {password} power status\n\
         fence_ipmilan --lanplus -C 3 -a {address} -l {user} -p {password} -o status\n\
         fence_redfish --ssl-insecure -a {address} -l {user} -p {password} -o status\n\
         curl --cacert {certificate} -u {user}:{password} \
         https://{address}/redfish/v1/Systems/{name}"
    )
}

/// Serves the BMC of this name until it is told to end.
///
/// # Errors
/// When the lab has none, or one of its parts fails.
pub fn serve(lab: Lab, name: &str) -> Result<()> {
    let folder = Bmc::open(&lab, name)?.folder();
    let switches = folder.settings()?.switches;
    let program = std::env::current_exe().context("where is this program?")?;
    let switch: Box<dyn super::PowerSwitch> = match switches {
        Switches::Scripted => Box::new(Scripted::at(folder.path())),
        Switches::Server => Box::new(super::server::ServerSwitch::new(lab, name)),
    };
    super::serve::serve(&folder, switch, &program)
}
