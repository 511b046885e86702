//! What happens to servers, programs and the coordinator, and when it is noticed.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;

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

/// The events of a node that is not heard, in their order.
const VERDICTS: [&str; 2] = ["NodeSuspect", "NodeUnreachable"];

/// What is cut off was last heard up to one beat before.
const BEAT: Duration = Duration::from_secs(1);

/// How much the time between two verdicts may differ from what is promised: each is given in a
/// round, four of which make a beat, and three rounds may be late beside emulated servers.
const ROUNDS: Duration = Duration::from_millis(750);

/// How late a look may be: h8lctl has to start, beside three emulated servers.
const SLACK: Duration = Duration::from_secs(2);

/// A node that was away is online after some seconds without a gap; a boot takes minutes.
const BACK: Duration = Duration::from_secs(120);
const BOOTED: Duration = Duration::from_secs(420);

/// The grace after a coordinator's start, and a little more.
const GRACE: Duration = Duration::from_secs(20);

/// How long a killed coordinator stays away: several times the silence that makes a node
/// `Unreachable`, so that whoever counts its absence as the nodes' silence is found out.
const AWAY: Duration = Duration::from_secs(15);

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

/// The agent's process; there is one.
fn main_pid(server: Server<'_>) -> Result<u32> {
    let pid = server.run("systemctl show --value --property MainPID h8lio-agent")?;
    match pid.parse() {
        Ok(0) | Err(_) => bail!("no agent runs on {}: MainPID={pid}", server.name()),
        Ok(pid) => Ok(pid),
    }
}

/// The process is ended at some moment while the command runs that ends it, so the two ends of
/// that command are the bounds of how long it took to be seen. The longer one counts; of the
/// command itself only what an empty one takes is forgiven.
fn killed(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let (_, seq) = fleet.ctl().events_since(0, &name)?;
    let process = main_pid(server)?;
    let round_trip = round_trip(server)?;
    let before = now();
    server.run(&format!("kill -KILL {process}"))?;
    let after = now();
    until("an event says so", DEATH_SEEN + SLACK, || {
        let (reasons, _) = fleet.ctl().events_since(seq, &name)?;
        let seen = reasons.iter().any(|reason| reason == "NodeSuspect");
        Ok(seen.then_some(()))
    })?;
    let (least, most) = (after.elapsed(), before.elapsed());
    let told = format!(
        "seen after {:.2} to {:.2} s, a round trip takes {:.2} s",
        least.as_secs_f64(),
        most.as_secs_f64(),
        round_trip.as_secs_f64()
    );
    ensure!(most <= DEATH_SEEN + round_trip, "{told}");
    Ok(told)
}

/// How long a command takes that does nothing, over the connection that is open: the longest of
/// three.
fn round_trip(server: Server<'_>) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        let began = now();
        server.run("true")?;
        longest = longest.max(began.elapsed());
    }
    Ok(longest)
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
    let (_, seq) = fleet.ctl().events_since(0, &name)?;
    let began = now();
    server.cut_power()?;
    let found = until("both verdicts are told", BACK, || {
        verdicts(&fleet.ctl().timed_events_since(seq, &name)?)
    });
    let unreachable = began.elapsed();
    let gap = found?;
    let suspect = unreachable.saturating_sub(gap);
    let told = format!(
        "Suspect after {:.1} s, Unreachable {:.2} s later",
        suspect.as_secs_f64(),
        gap.as_secs_f64()
    );
    let promised = UNREACHABLE_AFTER - SUSPECT_AFTER;
    ensure!(gap.abs_diff(promised) <= ROUNDS, "{told}");
    // The silence began up to a beat before the cut.
    ensure!(
        suspect + BEAT >= SUSPECT_AFTER && suspect <= SUSPECT_AFTER + SLACK,
        "{told}"
    );
    ensure!(
        unreachable + BEAT >= UNREACHABLE_AFTER && unreachable <= UNREACHABLE_AFTER + SLACK,
        "{told}"
    );
    Ok(told)
}

/// The time from `Suspect` to `Unreachable` by the coordinator's own clock, once both were told:
/// each once, in this order.
fn verdicts(events: &[(String, Timestamp)]) -> Result<Option<Duration>> {
    let told: Vec<_> = events
        .iter()
        .filter(|(reason, _)| VERDICTS.contains(&reason.as_str()))
        .collect();
    match told.as_slice() {
        [] => Ok(None),
        [(suspect, _)] if suspect == VERDICTS[0] => Ok(None),
        [(suspect, first), (unreachable, second)]
            if suspect == VERDICTS[0] && unreachable == VERDICTS[1] =>
        {
            let gap = second.duration_since(*first);
            Ok(Some(gap.try_into().context("the second is the earlier")?))
        }
        other => bail!("the verdicts were {other:?}"),
    }
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
    let gone = now();
    // Not for a state: the absence itself is what is tried.
    until("the coordinator was away for a while", AWAY * 2, || {
        Ok((gone.elapsed() >= AWAY).then_some(()))
    })?;
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
            .any(|reason| VERDICTS.contains(&reason.as_str()))
        {
            bail!("{} was accused: {reasons:?}", server.name());
        }
    }
    Ok(format!(
        "away for {} s, {online} online, no verdict in {:.0} s",
        AWAY.as_secs(),
        began.elapsed().as_secs_f64()
    ))
}

fn hangs(fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let name = server.name();
    let before = main_pid(server)?;
    server.run("systemctl kill --signal=STOP --kill-who=main h8lio-agent")?;
    fleet.ctl().wait_for(&name, &["Unreachable"], BACK)?;
    fleet.ctl().wait_for(&name, &["Online"], BACK)?;
    let after = main_pid(server)?;
    if after == before {
        bail!("process {before} was not replaced");
    }
    let said = server.run("journalctl -b -u h8lio-agent | grep -c 'Watchdog timeout' || true")?;
    same("the number of watchdog timeouts", &said, "1")?;
    Ok(format!("process {before}, then {after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &[(&str, &str)]) -> Result<Option<Duration>> {
        let events: Vec<_> = events
            .iter()
            .map(|(reason, at)| ((*reason).to_owned(), at.parse().expect("a time")))
            .collect();
        verdicts(&events)
    }

    const AT_3: &str = "2026-05-01T10:00:03Z";
    const AT_4: &str = "2026-05-01T10:00:04.250Z";

    #[test]
    fn the_time_between_two_verdicts_is_the_coordinators() {
        let events = [
            ("NodeSuspect", AT_3),
            ("LinkDown", AT_3),
            ("NodeUnreachable", AT_4),
        ];
        let gap = told(&events).expect("in order").expect("both");
        assert_eq!(gap, Duration::from_millis(1250));
    }

    #[test]
    fn one_verdict_is_waited_with_for_the_other() {
        assert_eq!(told(&[]).expect("nothing yet"), None);
        assert_eq!(told(&[("NodeSuspect", AT_3)]).expect("in order"), None);
    }

    #[test]
    fn unreachable_without_suspect_before_it_is_refused() {
        let alone = told(&[("NodeUnreachable", AT_3)]).expect_err("no suspect");
        assert!(alone.to_string().starts_with("the verdicts were"));
        let swapped = told(&[("NodeUnreachable", AT_3), ("NodeSuspect", AT_4)]);
        assert!(swapped.is_err());
        let backwards = told(&[("NodeSuspect", AT_4), ("NodeUnreachable", AT_3)]);
        let why = backwards.expect_err("time went back").to_string();
        assert_eq!(why, "the second is the earlier");
    }
}
