//! The same clients, and a server that is switched for real.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::clients::Clients;
use crate::bmc::{Bmc, Mode};
use crate::checks::{Checks, say};
use crate::clock::until;
use crate::lab::Lab;
use crate::server::{Power, Server, Spec};

/// The server, and what its process is now.
struct Machine<'a> {
    lab: &'a Lab,
    server: Server<'a>,
    clients: Clients<'a>,
}

pub(super) fn run(checks: &mut Checks, lab: &Lab) -> Result<()> {
    let machine = checks.need("a server with a BMC, off", || {
        let server = lab.add_server(&Spec::new(1), &|step| say(&format!("     {step}")))?;
        let bmc = Bmc::add(&server, lab)?;
        let clients = Clients::new(lab, &bmc.folder())?;
        Ok(Machine {
            lab,
            server,
            clients,
        })
    })?;
    let (clients, server) = (&machine.clients, &machine.server);
    checks.check("ipmitool starts QEMU and kills it", || {
        clients.ipmitool("power status")?.says("Power is off")?;
        clients.ipmitool("power on")?.ended(0)?;
        let first = machine.runs_other_than(None)?;
        clients.ipmitool("power status")?.says("Power is on")?;
        clients.ipmitool("power off")?.ended(0)?;
        machine.is_off()?;
        Ok(format!("pid {first} came and went"))
    });
    checks.check("ipmitool cycles: another QEMU runs", || {
        server.start()?;
        let before = machine.pid()?;
        clients.ipmitool("power cycle")?.ended(0)?;
        let after = machine.runs_other_than(before)?;
        Ok(format!("pid {before:?}, then {after}"))
    });
    checks.check("fence_redfish kills QEMU, and starts another", || {
        let before = machine.pid()?;
        clients.fence_redfish("-o off")?.ended(0)?;
        ensure!(server.power()? == Power::Off, "fenced, and QEMU runs");
        clients.fence_redfish("-o on")?.ended(0)?;
        let after = machine.runs_other_than(before)?;
        clients.fence_redfish("-o reboot")?.ended(0)?;
        let last = machine.runs_other_than(Some(after))?;
        Ok(format!("pid {before:?}, then {after}, then {last}"))
    });
    checks.check(
        "a reset keeps the process, and resets one that is frozen by force",
        || {
            let before = machine.pid()?;
            clients.ipmitool("power reset")?.ended(0)?;
            ensure!(machine.pid()? == before, "QEMU was replaced by a reset");
            server.freeze()?;
            clients.ipmitool("power reset")?.ended(0)?;
            let after = machine.runs_other_than(before)?;
            Ok(format!("pid {before:?}, then {after}"))
        },
    );
    checks.check("a liar says off while QEMU runs on", || {
        let bmc = Bmc::open(lab, &server.name())?;
        let before = machine.pid()?;
        bmc.set_mode(Mode::Lying)?;
        clients.fence_redfish("-o off")?.ended(0)?;
        clients.ipmitool("power status")?.says("Power is off")?;
        ensure!(
            before.is_some() && machine.pid()? == before,
            "QEMU does not run on"
        );
        bmc.set_mode(Mode::Normal)?;
        clients.ipmitool("power status")?.says("Power is on")
    });
    checks.check(
        "a server outlives its BMC, also the BMC that started it",
        || {
            let bmc = Bmc::open(lab, &server.name())?;
            let before = machine.pid()?;
            bmc.stop()?;
            bmc.start()?;
            clients.ipmitool("power status")?.says("Power is on")?;
            ensure!(machine.pid()? == before, "QEMU went with it");
            Ok(format!("pid {before:?} runs on"))
        },
    );
    Ok(())
}

impl Machine<'_> {
    fn pid(&self) -> Result<Option<i32>> {
        let running = self.lab.processes().running(&self.server.name())?;
        Ok(running.map(|record| record.pid))
    }

    /// Waits for a process of the server that is another than `before`.
    fn runs_other_than(&self, before: Option<i32>) -> Result<i32> {
        until("another QEMU runs", Duration::from_secs(60), || {
            Ok(self.pid()?.filter(|pid| Some(*pid) != before))
        })
    }

    fn is_off(&self) -> Result<()> {
        until("QEMU is gone", Duration::from_secs(20), || {
            Ok((self.server.power()? == Power::Off).then_some(()))
        })
        .context("the order was taken, and nothing happened")
    }
}
