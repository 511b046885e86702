//! The roll-out itself: dry, real, again.

use std::time::Duration;

use anyhow::{Result, bail};

use super::same;
use super::traces::Traces;
use crate::checks::Checks;
use crate::fleet::{Ansible, Fleet};
use crate::lab::Lab;
use crate::stages::Extent;

/// A node that was rolled out is online when Ansible says so; this is for its next state.
const SOON: Duration = Duration::from_secs(60);

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
    extent: Extent,
) -> Result<()> {
    if extent == Extent::Whole {
        checks.check(
            "a dry run says what would change and changes nothing",
            || dry_run(lab, fleet, ansible),
        );
    }
    checks.need("ansible-playbook rolls h8lio out over ssh", || {
        ansible.playbook("h8lio.fleet.rollout", &[])
    })?;
    checks.check("three nodes are online", || online(lab, fleet));
    checks.check("each server used a token of its own, bound to it", || {
        tokens(lab, fleet)
    });
    checks.check("no token is left on a server", || {
        for server in lab.servers()? {
            let left =
                server.run("ls /etc/credstore /run/credstore 2>/dev/null | grep h8lio || true")?;
            same("what is left", &left, "")?;
        }
        Ok(String::new())
    });
    checks.check("a second run changes nothing", || unchanged(ansible, &[]));
    if extent == Extent::Whole {
        checks.check("a dry run afterwards would change nothing", || {
            unchanged(ansible, &["--check"])
        });
    }
    checks.check("systemd runs the agent as the unit says", || unit(lab));
    Ok(())
}

fn dry_run(lab: &Lab, fleet: &Fleet<'_>, ansible: &Ansible<'_>) -> Result<String> {
    let before = Traces::now(lab, fleet)?;
    let recap = ansible.playbook("h8lio.fleet.rollout", &["--check"])?;
    for server in lab.servers()? {
        if recap.count(&server.name(), "changed") == 0 {
            bail!("{} would not be changed", server.name());
        }
        let there = server.run("dpkg -s h8lio-agent 2>/dev/null || echo absent")?;
        same("the package", &there, "absent")?;
    }
    before.are_still(lab, fleet)?;
    let tokens = fleet.ctl().ask(&["token", "list"])?;
    same("the list of tokens", &tokens.to_string(), "[]")?;
    let would = recap.total("changed");
    Ok(format!("{would} tasks would change something"))
}

fn online(lab: &Lab, fleet: &Fleet<'_>) -> Result<String> {
    for server in lab.servers()? {
        fleet.ctl().wait_for(&server.name(), &["Online"], SOON)?;
    }
    let states = fleet.ctl().availability()?;
    same("the number of nodes", &states.len().to_string(), "3")?;
    let seen: Vec<String> = states
        .iter()
        .map(|(name, state)| format!("{name} {state}"))
        .collect();
    Ok(seen.join(", "))
}

fn tokens(lab: &Lab, fleet: &Fleet<'_>) -> Result<String> {
    let tokens = fleet.ctl().ask(&["token", "list"])?;
    let tokens = tokens.as_array().cloned().unwrap_or_default();
    for server in lab.servers()? {
        let name = server.name();
        let id = fleet.ctl().show(&name)?["id"].clone();
        let own: Vec<_> = tokens
            .iter()
            .filter(|token| token["nodeName"] == *name)
            .collect();
        let [token] = own.as_slice() else {
            bail!("{} tokens were made for {name}", own.len());
        };
        let bound = token["expect"]["serial"] == server.spec()?.serial();
        if !bound || token["maxUses"] != 1 || token["usedBy"] != serde_json::json!([id]) {
            bail!("the token for {name} is {token}");
        }
    }
    same("the number of tokens", &tokens.len().to_string(), "3")?;
    Ok("one use each, by the server with the expected serial number".to_owned())
}

fn unchanged(ansible: &Ansible<'_>, arguments: &[&str]) -> Result<String> {
    let recap = ansible.playbook("h8lio.fleet.rollout", arguments)?;
    if recap.total("changed") != 0 || recap.hosts() != 3 {
        bail!("{recap:?}");
    }
    Ok(format!("{} tasks on 3 servers", recap.total("ok")))
}

/// What systemd knows of the service: it notified, it is watched, nothing was started anew, and it
/// runs in its sandbox.
fn unit(lab: &Lab) -> Result<String> {
    let mut seen = String::new();
    for server in lab.servers()? {
        seen = server.run(
            "systemctl show h8lio-agent --property \
             ActiveState,SubState,Type,NRestarts,WatchdogUSec,UnitFileState,StatusText,ProtectSystem \
             | sort | paste -sd' '",
        )?;
        let wanted = [
            "ActiveState=active",
            "NRestarts=0",
            "ProtectSystem=strict",
            "SubState=running",
            "Type=notify",
            "UnitFileState=enabled",
            "WatchdogUSec=30s",
            "StatusText=node ",
        ];
        crate::stages::expect_all(&seen, &wanted)?;
    }
    Ok(seen)
}
