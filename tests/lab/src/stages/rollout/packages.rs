//! The packages by hand: upgrade, remove, put back, purge; and a coordinator of its own on a server.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{same, text};
use crate::checks::Checks;
use crate::fleet::{Ansible, Fleet, Packages};
use crate::lab::Lab;
use crate::server::Server;
use crate::stages::expect_all;

/// The server that becomes the coordinator of a second fleet.
const SECOND: &str = "s2";

const BACK: Duration = Duration::from_secs(120);
const COPY: Duration = Duration::from_secs(120);

const IDENTITY: &str = "/var/lib/h8lio/agent/identity.json";
const DPKG: &str = "DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold";

/// What dpkg says of a package of which nothing is left.
const GONE: &str = "not-installed";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
) -> Result<()> {
    let server = lab.server("s3")?;
    checks.check("an upgrade keeps node, identity and configuration", || {
        upgrade(lab, fleet, server)
    });
    checks.check("removed, the agent stops and keeps its identity", || {
        remove(server)
    });
    checks.check(
        "installed again it is the same node, without a token",
        || put_back(lab, fleet, server),
    );
    checks.check("purged, nothing of it is left", || purge(server));
    checks.check(
        "installed anew it starts nothing before it has a token",
        || {
            lab.ssh().copy_to(
                3,
                &fleet.packages().file("h8lio-agent")?,
                "/var/tmp/agent.deb",
                COPY,
            )?;
            server.run(&format!("{DPKG} -i /var/tmp/agent.deb 2>&1"))?;
            let state = server.run("systemctl is-active h8lio-agent || true")?;
            same("the service", &state, "inactive")?;
            let result =
                server.run("systemctl show --value --property ConditionResult h8lio-agent")?;
            same("its condition", &result, "no")
        },
    );
    checks.check(
        "rolled out again under its freed name it is a new node",
        || {
            let before = text(&fleet.ctl().show("s3")?, "/id")?.to_owned();
            fleet.ctl().change(&["node", "decommission", "s3"])?;
            ansible.playbook("h8lio.fleet.rollout", &["--limit", "s3"])?;
            let after = text(&fleet.ctl().show("s3")?, "/id")?.to_owned();
            if after == before {
                bail!("it is still {before}");
            }
            Ok(format!("{before}, then {after}"))
        },
    );
    coordinator(checks, lab, fleet, ansible)
}

/// The administrator changed agent.toml, and so does the new version: theirs wins, and the new one
/// lies beside it.
fn upgrade(lab: &Lab, fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let before = text(&fleet.ctl().show("s3")?, "/id")?.to_owned();
    server.run("sed -i 's/^report = .*/report = \"11s\"/' /etc/h8lio/agent.toml")?;
    server.run("grep -q '^report = \"11s\"' /etc/h8lio/agent.toml")?;
    let identity = server.run(&format!("sha256sum {IDENTITY}"))?;
    let configuration = server.run("sha256sum /etc/h8lio/agent.toml")?;
    let process = main_pid(server, "h8lio-agent")?;
    let next = install_next(lab, fleet, server, "h8lio-agent")?;
    let now = main_pid(server, "h8lio-agent")?;
    ensure!(now != process, "the old program runs on as {process}");
    let kept = server.run("sha256sum /etc/h8lio/agent.toml")?;
    same("the configuration", &kept, &configuration)?;
    let offered = server.run("tail -n 1 /etc/h8lio/agent.toml.dpkg-dist")?;
    same("the new one", &offered, &Packages::comment_of(&next))?;
    fleet.ctl().wait_for("s3", &["Online"], BACK)?;
    same("the node", text(&fleet.ctl().show("s3")?, "/id")?, &before)?;
    let kept = server.run(&format!("sha256sum {IDENTITY}"))?;
    same("the identity", &kept, &identity)?;
    Ok(format!("{next}, node {before}"))
}

/// Installs a package as its next release would be; its version, which dpkg then knows.
fn install_next(lab: &Lab, fleet: &Fleet<'_>, server: Server<'_>, name: &str) -> Result<String> {
    let next = format!("{}+lab1", fleet.packages().version(name)?);
    let folder = lab.folder().join("fleet");
    let file = fleet.packages().with_version(name, &next, &folder)?;
    lab.ssh()
        .copy_to(server.number(), &file, "/var/tmp/next.deb", COPY)?;
    server.run(&format!("{DPKG} -i /var/tmp/next.deb 2>&1"))?;
    let version = server.run(&format!("dpkg-query -f '${{Version}}' -W {name}"))?;
    same("the version", &version, &next)
}

/// The process of a service, by its unit and by its program's name.
fn main_pid(server: Server<'_>, program: &str) -> Result<String> {
    let pid = server.run(&format!(
        "systemctl show --value --property MainPID {program}"
    ))?;
    let named = processes(server, program)?;
    ensure!(
        named.lines().any(|line| line == pid),
        "{program} does not run: MainPID={pid}, and of its name are {named:?}"
    );
    Ok(pid)
}

fn runs_no_more(server: Server<'_>, program: &str) -> Result<()> {
    let left = processes(server, program)?;
    same(&format!("processes of {program}"), &left, "").map(drop)
}

/// Those of this name, of which the kernel keeps 15 letters. pgrep says 1 when there is none, and
/// anything else is no answer.
fn processes(server: Server<'_>, program: &str) -> Result<String> {
    let name: String = program.chars().take(15).collect();
    server.run(&format!("pgrep -x {name} || test $? = 1"))
}

/// What dpkg has of a package. One that nothing names is unknown to it.
fn status(server: Server<'_>, package: &str) -> Result<String> {
    server.run(&format!(
        "dpkg-query -f '${{db:Status-Status}}' -W {package} 2>/dev/null \
         || {{ test $? = 1 && echo {GONE}; }}"
    ))
}

fn remove(server: Server<'_>) -> Result<String> {
    main_pid(server, "h8lio-agent")?;
    server.run("dpkg --remove h8lio-agent 2>&1")?;
    runs_no_more(server, "h8lio-agent")?;
    server.run(&format!(
        "test -s {IDENTITY} && test -e /etc/h8lio/agent.toml"
    ))?;
    let status = status(server, "h8lio-agent")?;
    same("the package", &status, "config-files")
}

fn put_back(lab: &Lab, fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let before = text(&fleet.ctl().show("s3")?, "/id")?.to_owned();
    lab.ssh().copy_to(
        3,
        &fleet.packages().file("h8lio-agent")?,
        "/var/tmp/agent.deb",
        COPY,
    )?;
    server.run(&format!("{DPKG} -i /var/tmp/agent.deb 2>&1"))?;
    let state = fleet.ctl().wait_for("s3", &["Online"], BACK)?;
    same("the node", text(&fleet.ctl().show("s3")?, "/id")?, &before)?;
    Ok(state)
}

fn purge(server: Server<'_>) -> Result<String> {
    server.run("dpkg --purge h8lio-agent 2>&1")?;
    let left = server.run(
        "find / -xdev -name '*h8lio*' -not -path '*/apt/lists/*' -not -path '/var/lib/sample/*' \
         -not -path '/var/log/*' -not -path '/proc/*' -not -name 'h8lio-lab-sample*' \
         -not -path '/var/cache/h8lio*' -not -name patch-timers.json \
         -not -path /var/lib/h8lio 2>/dev/null || true",
    )?;
    same("what is left", &left, "")?;
    let record = server.run("ls /var/lib/h8lio")?;
    // The roll-out's own record of the distribution's timers, which its uninstall needs.
    same("what the roll-out keeps", &record, "patch-timers.json")?;
    runs_no_more(server, "h8lio-agent")?;
    let unit = server.run("systemctl show --value --property LoadState h8lio-agent")?;
    same("the unit", &unit, "not-found")
}

/// The role coordinator and its package, on a server: a fleet beside the lab's own.
fn coordinator(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
) -> Result<()> {
    let server = lab.server(SECOND)?;
    checks.check("the role sets a coordinator up on a server", || {
        set_up_coordinator(ansible, server)
    });
    checks.check(
        "its operator's context works and is only on the control node",
        || {
            let status = ansible.second_status(fleet.ctl())?;
            let left = server.run("ls /etc/h8lio/*.context.toml 2>/dev/null || true")?;
            same("contexts on the server", &left, "")?;
            same("the fleet", text(&status, "/fleet")?, "second")
        },
    );
    checks.check(
        "upgraded with h8lctl, the coordinator is the same to the same operator",
        || upgrade_coordinator(lab, fleet, ansible, server),
    );
    Ok(())
}

fn set_up_coordinator(ansible: &Ansible<'_>, server: Server<'_>) -> Result<String> {
    let here = [
        "--extra-vars",
        "{\"coordinator_listen\": \"10.77.0.12:7443\"}",
    ];
    ansible.coordinator_on(SECOND, "rollout", &here)?;
    let again = ansible.coordinator_on(SECOND, "rollout", &here)?;
    same(
        "changes of the second run",
        &again.total("changed").to_string(),
        "0",
    )?;
    coordinator_unit(server)
}

fn coordinator_unit(server: Server<'_>) -> Result<String> {
    let seen = server.run(
        "systemctl show h8lio-coordinator --property \
         ActiveState,SubState,NRestarts,User,WatchdogUSec,UnitFileState | sort | paste -sd' '",
    )?;
    same(
        "the service",
        &seen,
        "ActiveState=active NRestarts=0 SubState=running UnitFileState=enabled User=h8lio \
         WatchdogUSec=30s",
    )
}

/// Its store goes on: the incarnation is the one it was, in another start.
fn upgrade_coordinator(
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
    server: Server<'_>,
) -> Result<String> {
    let before = ansible.second_status(fleet.ctl())?;
    let process = main_pid(server, "h8lio-coordinator")?;
    let next = install_next(lab, fleet, server, "h8lio-coordinator")?;
    install_next(lab, fleet, server, "h8lctl")?;
    server.run("h8lctl version")?;
    let now = main_pid(server, "h8lio-coordinator")?;
    ensure!(now != process, "the old program runs on as {process}");
    coordinator_unit(server)?;
    // Its unit is ready when its port listens, so one call has to do.
    let after = ansible.second_status(fleet.ctl())?;
    for field in ["/fleet", "/incarnation", "/caller"] {
        same(field, text(&after, field)?, text(&before, field)?)?;
    }
    let starts = [&before, &after].map(|status| status["epoch"].as_u64());
    ensure!(starts[0] < starts[1], "the starts were {starts:?}");
    Ok(format!("{next}, fleet {}", text(&after, "/fleet")?))
}

/// When the servers are no nodes any more, the second fleet's coordinator goes too.
pub(super) fn coordinator_goes(
    checks: &mut Checks,
    lab: &Lab,
    ansible: &Ansible<'_>,
) -> Result<()> {
    let server = lab.server(SECOND)?;
    checks.check(
        "asked for, the uninstall takes the coordinator and leaves its fleet",
        || {
            main_pid(server, "h8lio-coordinator")?;
            let too = ["--extra-vars", "uninstall_coordinator=true"];
            ansible.coordinator_on(SECOND, "uninstall", &too)?;
            runs_no_more(server, "h8lio-coordinator")?;
            // Of the one, what it says at a purge is left; the other has nothing to say.
            let left = status(server, "h8lio-coordinator")?;
            same("the package", &left, "config-files")?;
            same("h8lctl", &status(server, "h8lctl")?, GONE)?;
            server.run("test ! -e /var/cache/h8lio")?;
            fleet_is_kept(server)
        },
    );
    checks.check(
        "purged, the coordinator's fleet is kept and said to be",
        || {
            let said = server.run("dpkg --purge h8lio-coordinator 2>&1")?;
            expect_all(&said, &["/var/lib/h8lio/coordinator is kept"])?;
            same("the package", &status(server, "h8lio-coordinator")?, GONE)?;
            runs_no_more(server, "h8lio-coordinator")?;
            fleet_is_kept(server)
        },
    );
    Ok(())
}

/// Certificate authority and store are on the server.
fn fleet_is_kept(server: Server<'_>) -> Result<String> {
    server.run(
        "cd /var/lib/h8lio/coordinator && test -s pki/issuing.key && test -s coordinator.db",
    )?;
    Ok(String::new())
}
