//! h8lio leaves the servers as it found them.

use anyhow::{Result, bail};

use super::same;
use super::traces::Traces;
use crate::checks::Checks;
use crate::fleet::{Ansible, Fleet};
use crate::lab::Lab;
use crate::stages::Extent;

/// How the distribution's timers are, on one line.
pub(super) const TIMERS: &str = "for unit in apt-daily.timer apt-daily-upgrade.timer; do \
     echo $unit $(systemctl is-enabled $unit) $(systemctl is-active $unit); done | paste -sd,";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
    extent: Extent,
) {
    checks.check(
        "while h8lio is there the distribution's timers are off",
        || {
            each(
                lab,
                "apt-daily.timer disabled inactive,apt-daily-upgrade.timer disabled inactive",
            )
        },
    );
    if extent == Extent::Whole {
        checks.check("a dry run of the uninstall changes nothing", || {
            dry_run(lab, fleet, ansible)
        });
    }
    checks.check(
        "the uninstall ends all memberships and removes all packages",
        || {
            ansible.playbook("h8lio.fleet.uninstall", &[])?;
            let states = fleet.ctl().availability()?;
            same("the number of nodes", &states.len().to_string(), "0")?;
            for server in lab.servers()? {
                let there = server.run("dpkg -s h8lio-agent 2>/dev/null || echo absent")?;
                same("the package", &there, "absent")?;
                let left =
                    server.run("ls -A /var/lib/h8lio 2>/dev/null | grep -v coordinator || true")?;
                same("what is left", &left, "")?;
            }
            Ok(String::new())
        },
    );
    checks.check(
        "the timers are given back as they were, one switched off by hand too",
        || {
            for server in lab.servers()? {
                let seen = server.run(TIMERS)?;
                let second = match server.number() {
                    1 => "disabled inactive",
                    _ => "enabled active",
                };
                let wanted =
                    format!("apt-daily.timer enabled active,apt-daily-upgrade.timer {second}");
                same(&format!("on {}", server.name()), &seen, &wanted)?;
            }
            Ok(String::new())
        },
    );
    if extent == Extent::Whole {
        checks.check("a second uninstall changes nothing", || {
            let recap = ansible.playbook("h8lio.fleet.uninstall", &[])?;
            if recap.total("changed") != 0 {
                bail!("{recap:?}");
            }
            Ok(format!("{} tasks", recap.total("ok")))
        });
    }
}

fn dry_run(lab: &Lab, fleet: &Fleet<'_>, ansible: &Ansible<'_>) -> Result<String> {
    let before = Traces::now(lab, fleet)?;
    let recap = ansible.playbook("h8lio.fleet.uninstall", &["--check"])?;
    for server in lab.servers()? {
        if recap.count(&server.name(), "changed") == 0 {
            bail!("{} would not be changed", server.name());
        }
    }
    before.are_still(lab, fleet)?;
    let states = fleet.ctl().availability()?;
    same("the number of nodes", &states.len().to_string(), "3")
}

fn each(lab: &Lab, wanted: &str) -> Result<String> {
    for server in lab.servers()? {
        same(
            &format!("on {}", server.name()),
            &server.run(TIMERS)?,
            wanted,
        )?;
    }
    Ok(wanted.to_owned())
}
