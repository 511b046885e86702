//! What happens to servers, programs and the coordinator, and when it is noticed.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Extent, same, text};
use crate::checks::Checks;
use crate::clock::{now, until};
use crate::fleet::Fleet;
use crate::lab::Lab;
use crate::server::Server;

/// What the fleet promises with a beat of one second (docs/availability.md).
const DEATH_SEEN: Duration = Duration::from_secs(1);
const SUSPECT_AFTER: Duration = Duration::from_millis(2500);
const UNREACHABLE_AFTER: Duration = Duration::from_millis(3500);

/// How late a look may be: h8lctl has to start, beside three emulated servers.
const SLACK: Duration = Duration::from_secs(2);

/// A node that was away is online after some seconds without a gap; a boot takes minutes.
const BACK: Duration = Duration::from_secs(120);
const BOOTED: Duration = Duration::from_secs(420);

/// The grace after a coordinator's start, and a little more.
const GRACE: Duration = Duration::from_secs(20);

pub(super) fn run(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>, extent: Extent) -> Result<()> {
    let [s1, s2, s3] = [lab.server("s1")?, lab.server("s2")?, lab.server("s3")?];
    checks.check("an agent that is killed is missed within a second", || {
        killed(fleet, s1)
    });
    checks.check("systemd starts it again, as the same node", || {
        restarted(fleet, s1)
    });
    checks.check(
        "a power cut makes a node Suspect and Unreachable on time",
        || power_cut(fleet, s2),
    );
    checks.check("with power it is the same node in another boot", || {
        s2.start()?;
        s2.wait_for_ssh()?;
        same_node_new_boot(fleet, s2)
    });
    checks.check(
        "a coordinator that is killed and started accuses nobody",
        || coordinator_restart(lab, fleet),
    );
    if extent == Extent::Whole {
        checks.check(
            "a server that reboots is the same node in another boot",
            || {
                s3.reboot()?;
                same_node_new_boot(fleet, s3)
            },
        );
        checks.check("an agent that hangs is ended by systemd's watchdog", || {
            hangs(fleet, s1)
        });
    }
    Ok(())
}

fn node_id(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    Ok(text(&fleet.ctl().show(&server.name())?, "/id")?.to_owned())
}

fn killed(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let (_, seq) = fleet.ctl().events_since(0, &name)?;
    // The moment it dies is not later than the moment the command is back.
    server.run("systemctl kill --signal=KILL --kill-who=main h8lio-agent")?;
    let began = now();
    let seen = until("an event says so", DEATH_SEEN + SLACK, || {
        let (reasons, _) = fleet.ctl().events_since(seq, &name)?;
        Ok(reasons
            .iter()
            .any(|reason| reason == "NodeSuspect")
            .then_some(()))
    });
    let took = began.elapsed();
    seen?;
    if took > DEATH_SEEN {
        bail!("seen after {:.2} s", took.as_secs_f64());
    }
    Ok(format!("seen within {:.2} s", took.as_secs_f64()))
}

fn restarted(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let before = node_id(fleet, server)?;
    let state = fleet.ctl().wait_for(&server.name(), &["Online"], BACK)?;
    same("the node", &node_id(fleet, server)?, &before)?;
    let restarts = server.run("systemctl show --value --property NRestarts h8lio-agent")?;
    same("the number of restarts", &restarts, "1")?;
    Ok(state)
}

fn power_cut(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let began = now();
    server.cut_power()?;
    let suspect = fleet
        .ctl()
        .wait_for(&name, &["Suspect", "Unreachable"], BACK)?;
    let suspected = began.elapsed();
    fleet.ctl().wait_for(&name, &["Unreachable"], BACK)?;
    let unreachable = began.elapsed();
    let early = suspected + Duration::from_millis(1500) < SUSPECT_AFTER;
    if early || suspected > SUSPECT_AFTER + SLACK || unreachable > UNREACHABLE_AFTER + SLACK {
        bail!(
            "{suspect} after {:.1} s, Unreachable after {:.1} s",
            suspected.as_secs_f64(),
            unreachable.as_secs_f64()
        );
    }
    Ok(format!(
        "Suspect after {:.1} s, Unreachable after {:.1} s",
        suspected.as_secs_f64(),
        unreachable.as_secs_f64()
    ))
}

/// What the coordinator says of the node agrees with the server, and the node is the one it was.
fn same_node_new_boot(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let before = fleet.ctl().show(&name)?;
    let boot = server.boot_id()?;
    until("the new boot is reported", BOOTED, || {
        let shown = fleet.ctl().show(&name)?;
        Ok((shown["bootId"] == *boot && shown["availability"] == "Online").then_some(()))
    })?;
    let after = fleet.ctl().show(&name)?;
    same("the node", text(&after, "/id")?, text(&before, "/id")?)?;
    let nodes = fleet.ctl().availability()?.len();
    same("the number of nodes", &nodes.to_string(), "3")?;
    Ok(format!("boot {boot}"))
}

/// Nobody is suspected while the coordinator is away, nor in the grace after its start.
fn coordinator_restart(lab: &Lab, fleet: &Fleet<'_>) -> Result<String> {
    for server in lab.servers()? {
        fleet.ctl().wait_for(&server.name(), &["Online"], BACK)?;
    }
    let events = |name: &str| fleet.ctl().events_since(0, name).map(|(_, seq)| seq);
    let seq = events("s1")?;
    fleet.kill_coordinator()?;
    let began = now();
    fleet.start_coordinator()?;
    let mut online = 0;
    until("the grace is over", GRACE * 3, || {
        let states = fleet.ctl().availability()?;
        let accused = states
            .iter()
            .find(|(_, state)| state != "Online" && state != "WarmingUp");
        if let Some((name, state)) = accused {
            bail!(
                "{name} is {state} after {:.1} s",
                began.elapsed().as_secs_f64()
            );
        }
        online = states.iter().filter(|(_, state)| state == "Online").count();
        Ok((online == 3 && began.elapsed() > GRACE).then_some(()))
    })?;
    for server in lab.servers()? {
        let (reasons, _) = fleet.ctl().events_since(seq, &server.name())?;
        if reasons
            .iter()
            .any(|r| r == "NodeSuspect" || r == "NodeUnreachable")
        {
            bail!("{} was accused: {reasons:?}", server.name());
        }
    }
    Ok(format!(
        "{online} online, no verdict in {:.0} s",
        began.elapsed().as_secs_f64()
    ))
}

fn hangs(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let before = server.run("systemctl show --value --property MainPID h8lio-agent")?;
    server.run("systemctl kill --signal=STOP --kill-who=main h8lio-agent")?;
    fleet.ctl().wait_for(&name, &["Unreachable"], BACK)?;
    fleet.ctl().wait_for(&name, &["Online"], BACK)?;
    let after = server.run("systemctl show --value --property MainPID h8lio-agent")?;
    if after == before {
        bail!("process {before} was not replaced");
    }
    let said = server.run("journalctl -b -u h8lio-agent | grep -c 'Watchdog timeout' || true")?;
    same("the number of watchdog timeouts", &said, "1")?;
    Ok(format!("process {before}, then {after}"))
}
