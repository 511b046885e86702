//! The agent's own package, changed by the agent.

use anyhow::{Result, ensure};

use super::watch::{create_for, until_it_is, until_waits};
use crate::checks::Checks;
use crate::fleet::{Fleet, Repository};
use crate::lab::Lab;

const NAME: &str = "h8lio-agent";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    let built = fleet.packages().file(NAME)?;
    let before = fleet.packages().version(NAME)?;
    let version = format!("{before}+lab1");
    checks.need("a newer agent waits on each server", || {
        repository.take(&built)?;
        repository.take_as(&built, &version)?;
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
        }
        until_waits(fleet, lab, NAME, &version)
    })?;
    checks.check(
        "agents change their own package, and each reports the end as the new one",
        || {
            let pid = "systemctl show -P MainPID h8lio-agent";
            let old = lab.server("s1")?.run(pid)?;
            create_for(
                fleet,
                "agent",
                &format!("packages:{NAME}"),
                "role=storage",
                &[],
            )?;
            let seen = until_it_is(fleet, "agent", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            for server in lab.servers()? {
                let has = server.run("dpkg-query -f '${Version}' -W h8lio-agent; dpkg --audit")?;
                ensure!(has == version, "{} has {has}", server.name());
            }
            let new = lab.server("s1")?.run(pid)?;
            ensure!(new != old, "the agent of s1 was not started anew");
            Ok(seen.tell())
        },
    );
    Ok(())
}
