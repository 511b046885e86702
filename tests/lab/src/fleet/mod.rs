//! h8lio in the lab, as an operator has it: packages, a coordinator in the namespace, h8lctl, and
//! Ansible for the servers.

mod ansible;
mod coordinator;
mod ctl;
mod packages;
mod repository;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub use self::ansible::{Ansible, AnsibleCore, Recap};
pub use self::ctl::Ctl;
pub use self::packages::Packages;
pub use self::repository::{Repository, Sample};
use crate::lab::Lab;

/// The fleet of a lab. Its coordinator answers at the namespace's management address.
#[derive(Debug)]
pub struct Fleet<'a> {
    lab: &'a Lab,
    folder: PathBuf,
    packages: Packages,
    ctl: Ctl<'a>,
}

impl<'a> Fleet<'a> {
    /// Sets a fleet up from the packages below `target/packages`, and starts its coordinator.
    ///
    /// # Errors
    /// When there are no packages, or the coordinator does not answer.
    pub fn create(lab: &'a Lab) -> Result<Self> {
        let folder = lab.folder().join("fleet");
        // An earlier fleet of this lab ends here.
        lab.processes().stop(coordinator::NAME)?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let packages = Packages::built()?;
        let programs = packages.unpack(&folder.join("programs"))?;
        let context = folder.join("admin.context.toml");
        let ctl = Ctl::new(lab, programs.join("h8lctl"), context);
        let fleet = Self {
            lab,
            folder,
            packages,
            ctl,
        };
        fleet.set_up_coordinator()?;
        fleet.start_coordinator()?;
        Ok(fleet)
    }

    /// Asks the coordinator.
    pub fn ctl(&self) -> &Ctl<'a> {
        &self.ctl
    }

    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Ansible with the collection of this checkout and the lab's servers as its inventory.
    ///
    /// # Errors
    /// When its environment cannot be made.
    pub fn ansible(&self, core: AnsibleCore) -> Result<Ansible<'a>> {
        Ansible::new(self.lab, &self.folder, core, &self.packages, &self.ctl)
    }

    fn programs(&self) -> PathBuf {
        self.folder.join("programs/usr/bin")
    }
}
