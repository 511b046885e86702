//! BMCs that fail: dead, lying, deaf, slow, gone.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;

use super::Bench;
use crate::bmc::mode::SLOW;
use crate::bmc::{Mode, Power};
use crate::checks::Checks;
use crate::clock::{now, until};

pub(super) fn rest(checks: &mut Checks, bench: &Bench<'_>) {
    lies(checks, bench);
    silence(checks, bench);
    ends(checks, bench);
}

pub(super) fn core(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check(
        "a liar convinces fence_redfish while the server stays on",
        || {
            bench.set(Power::On)?;
            bench.bmc.set_mode(Mode::Lying)?;
            bench.sees("", || {
                clients.fence_redfish("-o off")?.ended(0)?;
                bench.is(Power::On)?;
                bench.bmc.set_mode(Mode::Normal)?;
                clients.fence_redfish("-o status")?.says("Status: ON")?;
                Ok(())
            })
        },
    );
}

fn lies(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check(
        "a liar convinces fence_ipmilan while the server stays on",
        || {
            bench.set(Power::On)?;
            bench.bmc.set_mode(Mode::Lying)?;
            clients.fence_ipmilan("-o off")?.ended(0)?;
            clients.fence_redfish("-o status")?.ended(2)?;
            bench.is(Power::On)?;
            Ok("both protocols say off, the server is on".to_owned())
        },
    );
    checks.check(
        "a deaf BMC is noticed by both fence agents: the power does not go",
        || {
            bench.set(Power::On)?;
            bench.bmc.set_mode(Mode::Deaf)?;
            bench.sees("", || {
                clients.ipmitool("power off")?.ended(0)?;
                clients
                    .fence_ipmilan("-o off --power-timeout 4")?
                    .failed()?;
                clients
                    .fence_redfish("-o off --power-timeout 4")?
                    .failed()?;
                Ok(())
            })
        },
    );
}

fn silence(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check("a dead BMC answers no IPMI, and does nothing later", || {
        bench.set(Power::On)?;
        bench.sees("", || {
            bench.bmc.set_mode(Mode::Dead)?;
            clients.ipmitool("power off")?.failed()?;
            clients
                .fence_ipmilan("-o off --power-timeout 5 --shell-timeout 3")?
                .failed()?;
            bench.bmc.set_mode(Mode::Normal)?;
            clients.ipmitool("power status")?.says("Power is on")?;
            Ok(())
        })
    });
    checks.check(
        "a dead BMC takes Redfish connections and never answers",
        || {
            bench.bmc.set_mode(Mode::Dead)?;
            // 28: out of time.
            let said = clients
                .curl(&["--verbose", "--max-time", "2"], "/Systems/x1")?
                .ended(28)?;
            ensure!(
                said.contains("Client hello") && !said.contains("Server hello"),
                "it was not taken, or answered: {said}"
            );
            Ok("hello said, nothing heard".to_owned())
        },
    );
    checks.check(
        "fence_redfish hangs on a dead BMC until its caller ends it",
        || {
            bench.bmc.set_mode(Mode::Dead)?;
            let limit = Duration::from_secs(8);
            match clients.fence_redfish_within("-o status --power-timeout 2", limit) {
                Ok(said) => bail!("it ended by itself: {said:?}"),
                Err(why) => ensure!(why.to_string().contains("not done within"), "{why:#}"),
            }
            Ok(format!("ended after {} s", limit.as_secs()))
        },
    );
    checks.check("a slow BMC obeys both protocols, late", || {
        bench.set(Power::On)?;
        bench.bmc.set_mode(Mode::Slow(SLOW))?;
        let late = |what: &str, work: &dyn Fn() -> Result<String>| {
            let began = now();
            work()?;
            let took = began.elapsed();
            ensure!(took >= SLOW, "{what} took {took:?} only");
            Ok(format!("{what} {:.1} s", took.as_secs_f64()))
        };
        let one = late("ipmitool", &|| clients.ipmitool("power off")?.ended(0))?;
        bench.is(Power::Off)?;
        let two = late("curl", &|| {
            clients.curl(&[], "/Systems/x1")?.says("\"Off\"")
        })?;
        bench.bmc.set_mode(Mode::Normal)?;
        Ok(format!("{one}, {two}"))
    });
}

fn ends(checks: &mut Checks, bench: &Bench<'_>) {
    let (bmc, clients) = (&bench.bmc, &bench.clients);
    let processes = bench.lab.processes();
    checks.check(
        "a stopped BMC refuses connections, and comes back with its certificate",
        || {
            bench.set(Power::On)?;
            bmc.stop()?;
            // 7: refused.
            clients
                .curl(&["--max-time", "5"], "/Systems/x1")?
                .ended(7)?;
            bmc.start()?;
            clients.curl(&[], "/Systems/x1")?.says("\"On\"")?;
            clients.ipmitool("power status")?.says("Power is on")
        },
    );
    checks.check(
        "a BMC that is killed takes its ipmi_sim along and can start again",
        || {
            processes.signal(&bmc.process(), Signal::SIGKILL)?;
            until("the BMC is gone", Duration::from_secs(10), || {
                Ok(processes.running(&bmc.process())?.is_none().then_some(()))
            })?;
            bmc.start()?;
            clients.ipmitool("power status")?.says("Power is on")
        },
    );
    checks.check(
        "a BMC whose ipmi_sim dies ends, and its log says why",
        || {
            let folder = bmc.folder();
            let pid = std::fs::read_to_string(folder.ipmi_pid()).context("no pid of ipmi_sim")?;
            // The id is that of the namespace, so it is signalled there.
            bench.lab.space().run("kill", &["-KILL", pid.trim()])?;
            until("the BMC has ended", Duration::from_secs(10), || {
                Ok(processes.running(&bmc.process())?.is_none().then_some(()))
            })?;
            let words = processes.last_words(&bmc.process());
            ensure!(words.contains("ipmi_sim ended"), "its log says: {words}");
            Ok(String::new())
        },
    );
}
