//! Rollouts in which nothing goes wrong.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::SAMPLE;
use super::watch::{create, until_it_is, until_it_waits};
use crate::checks::Checks;
use crate::fleet::{Fleet, Repository, Sample};
use crate::lab::Lab;

pub(super) const SECOND: Sample<'_> = Sample {
    name: SAMPLE,
    version: "2",
    postinst: "",
    conffile: "colour = green\n",
};

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("a security update waits on each server", || {
        // What an administrator wrote into a configuration file stays.
        lab.server("s1")?
            .run(&format!("echo 'colour = red' >/etc/{SAMPLE}.conf"))?;
        repository.add(&SECOND)?;
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
        }
        until_it_waits(fleet, lab, SECOND.version)
    })?;
    checks.check(
        "a security rollout patches the servers one after the other",
        || {
            create(fleet, "security", "security")?;
            let seen = until_it_is(fleet, "security", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            for server in lab.servers()? {
                installed(lab, &server.name(), "2")?;
            }
            Ok(seen.tell())
        },
    );
    checks.check("an administrator's configuration file is as it was", || {
        let text = lab.server("s1")?.run(&format!("cat /etc/{SAMPLE}.conf"))?;
        ensure!(text == "colour = red", "{text}");
        let other = lab.server("s2")?.run(&format!("cat /etc/{SAMPLE}.conf"))?;
        ensure!(other == "colour = green", "{other}");
        Ok(String::new())
    });
    Ok(())
}

/// A rollout that changes no package.
pub(super) fn boots_alone(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a rollout that only boots gives each server a new boot, one after the other",
        || {
            let before = boots(lab)?;
            create(fleet, "boots", "reboot-only")?;
            let seen = until_it_is(fleet, "boots", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            for (name, boot) in boots(lab)? {
                ensure!(before.get(&name) != Some(&boot), "{name} did not boot");
            }
            Ok(seen.tell())
        },
    );
}

/// The sample has this version on a server, and dpkg has nothing to complain of.
pub(super) fn installed(lab: &Lab, server: &str, version: &str) -> Result<()> {
    let server = lab.server(server)?;
    let seen = server.run(&format!(
        "dpkg-query -f '${{db:Status-Status}} ${{Version}}' -W {SAMPLE}; dpkg --audit"
    ))?;
    ensure!(
        seen == format!("installed {version}"),
        "{}: {seen}",
        server.name()
    );
    Ok(())
}

fn boots(lab: &Lab) -> Result<BTreeMap<String, String>> {
    let servers = lab.servers()?;
    servers
        .iter()
        .map(|server| Ok((server.name(), server.wait_for_ssh()?)))
        .collect()
}
