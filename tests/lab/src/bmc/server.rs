//! The power switch of a lab's server.

use std::fs;

use anyhow::Result;
use serde_json::json;

use super::power::{Power, PowerSwitch};
use crate::lab::Lab;
use crate::server::{Qmp, Server};

/// A server of a lab, behind its BMC.
///
/// It talks to QEMU on the second monitor, so that a person on the first is not in its way.
#[derive(Debug)]
pub(super) struct ServerSwitch {
    lab: Lab,
    name: String,
}

impl ServerSwitch {
    #[must_use]
    pub(super) fn new(lab: Lab, name: &str) -> Self {
        Self {
            lab,
            name: name.to_owned(),
        }
    }

    fn server(&self) -> Result<Server<'_>> {
        self.lab.server(&self.name)
    }

    /// One command to QEMU, if it runs.
    fn tell(&self, command: &str) -> Result<()> {
        let server = self.server()?;
        if server.power()? == Power::On {
            Qmp::connect(&server.places().second_monitor())?.call(command, &json!({}))?;
        }
        Ok(())
    }

    /// Whether QEMU itself is stopped; its monitor does not answer then.
    fn is_frozen(&self) -> Result<bool> {
        let Some(record) = self.lab.processes().running(&self.name)? else {
            return Ok(false);
        };
        // The name in parentheses may hold anything; the state follows it.
        let stat = fs::read_to_string(format!("/proc/{}/stat", record.pid))?;
        Ok(stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T')))
    }
}

impl PowerSwitch for ServerSwitch {
    fn state(&self) -> Result<Power> {
        self.server()?.power()
    }

    fn on(&self) -> Result<()> {
        let server = self.server()?;
        match server.power()? {
            Power::On => Ok(()),
            Power::Off => server.start(),
        }
    }

    fn off(&self) -> Result<()> {
        self.server()?.cut_power()
    }

    /// The reset line works on a server that hangs, and never lets it run on for a moment. QEMU
    /// that is frozen can be reset by force only.
    fn reset(&self) -> Result<()> {
        if self.is_frozen()? {
            return self.server()?.cycle();
        }
        self.tell("system_reset")?;
        self.lab.ssh().forget(self.server()?.number());
        Ok(())
    }

    fn nmi(&self) -> Result<()> {
        self.tell("inject-nmi")
    }

    fn button(&self) -> Result<()> {
        match self.state()? {
            Power::On => self.tell("system_powerdown"),
            Power::Off => self.on(),
        }
    }
}
