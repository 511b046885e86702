//! The packages by hand: upgrade, remove, put back, purge; and a coordinator of its own on a server.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{same, text};
use crate::checks::Checks;
use crate::fleet::{Ansible, Fleet};
use crate::lab::Lab;
use crate::server::Server;

const BACK: Duration = Duration::from_secs(120);
const COPY: Duration = Duration::from_secs(120);

const IDENTITY: &str = "/var/lib/h8lio/agent/identity.json";
const DPKG: &str = "DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold";

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

fn upgrade(lab: &Lab, fleet: &Fleet<'_>, server: Server<'_>) -> Result<String> {
    let before = text(&fleet.ctl().show("s3")?, "/id")?.to_owned();
    let next = format!("{}+lab1", fleet.packages().version("h8lio-agent")?);
    let file = fleet
        .packages()
        .with_version("h8lio-agent", &next, &lab.folder().join("fleet"))?;
    lab.ssh().copy_to(3, &file, "/var/tmp/next.deb", COPY)?;
    server.run("sed -i 's/^report = .*/report = \"11s\"/' /etc/h8lio/agent.toml")?;
    let process = server.run("systemctl show --value --property MainPID h8lio-agent")?;
    server.run(&format!("{DPKG} -i /var/tmp/next.deb 2>&1"))?;
    let version = server.run("dpkg-query -f '${Version}' -W h8lio-agent")?;
    same("the version", &version, &next)?;
    let now = server.run("systemctl show --value --property MainPID h8lio-agent")?;
    if now == process {
        bail!("the old program runs on as process {process}");
    }
    let kept = server.run("grep -c '^report = \"11s\"' /etc/h8lio/agent.toml")?;
    same("the changed line in agent.toml", &kept, "1")?;
    fleet.ctl().wait_for("s3", &["Online"], BACK)?;
    same("the node", text(&fleet.ctl().show("s3")?, "/id")?, &before)?;
    Ok(format!("{version}, node {before}"))
}

fn remove(server: Server<'_>) -> Result<String> {
    server.run("dpkg --remove h8lio-agent 2>&1")?;
    let left = server.run("pgrep -x h8lio-agent || true")?;
    same("processes of the agent", &left, "")?;
    server.run(&format!(
        "test -s {IDENTITY} && test -e /etc/h8lio/agent.toml"
    ))?;
    server.run("dpkg-query -f '${db:Status-Status}' -W h8lio-agent")
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
    let unit = server.run("systemctl status h8lio-agent 2>&1 | head -n 1 || true")?;
    Ok(unit)
}

/// The role coordinator and its package, on a server: a fleet beside the lab's own.
fn coordinator(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
) -> Result<()> {
    let server = lab.server("s2")?;
    let here = [
        "--extra-vars",
        "{\"coordinator_listen\": \"10.77.0.12:7443\"}",
    ];
    checks.check("the role sets a coordinator up on a server", || {
        ansible.coordinator_on("s2", "rollout", &here)?;
        let again = ansible.coordinator_on("s2", "rollout", &here)?;
        same(
            "changes of the second run",
            &again.total("changed").to_string(),
            "0",
        )?;
        server.run(
            "systemctl show h8lio-coordinator --property ActiveState,NRestarts,User,WatchdogUSec \
             | sort | paste -sd' '",
        )
    });
    checks.check(
        "its operator's context works and is only on the control node",
        || {
            let status = ansible.second_status(fleet.ctl())?;
            let left = server.run("ls /etc/h8lio/*.context.toml 2>/dev/null || true")?;
            same("contexts on the server", &left, "")?;
            Ok(format!("fleet {}", text(&status, "/fleet")?))
        },
    );
    checks.check(
        "purged, the coordinator's fleet is kept and said to be",
        || {
            let said = server.run("dpkg --purge h8lio-coordinator 2>&1")?;
            if !said.contains("/var/lib/h8lio/coordinator is kept") {
                bail!("dpkg said: {said}");
            }
            server.run("test -s /var/lib/h8lio/coordinator/pki/issuing.key")?;
            server.run("pgrep -x h8lio-coordinat || echo 'no coordinator runs'")
        },
    );
    Ok(())
}
