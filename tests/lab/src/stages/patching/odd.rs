//! Servers on which something else is the matter than a power cut: each row is one rollout of one
//! package to one server.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::samples::{ALL, FORWARD, HANGS, LINK_UP, Odd, PLAIN, REBOOTS, UNLINKS};
use super::watch::{create_for, settle, until_explained, until_it_is, until_waits};
use crate::checks::Checks;
use crate::clock::until_asked;
use crate::fleet::{Fleet, Repository};
use crate::lab::Lab;
use crate::server::Server;

/// A step on an emulated server.
const LOOK: Duration = Duration::from_secs(180);

/// A person's apt that has the lock, and has not begun to work.
const PERSON: &str = "systemd-run --quiet --collect --unit=lab-person --setenv=DEBIAN_FRONTEND=noninteractive \
     apt-get -o 'DPkg::Pre-Invoke::=while ! test -e /run/lab-go; do sleep 1; done' \
     -y --reinstall install h8lio-lab-hangs=1";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("updates wait that go wrong in their own ways", || {
        for odd in ALL {
            let [_, second] = odd.versions();
            repository.add(&second)?;
        }
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
        }
        ALL.iter()
            .try_for_each(|odd| until_waits(fleet, lab, odd.name, Odd::SECOND))
    })?;
    lock(checks, lab, fleet);
    reboots(checks, lab, fleet);
    unlinks(checks, lab, fleet);
    forward(checks, lab, fleet);
    Ok(())
}

/// scenario: 20 (lab)
fn lock(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "somebody else's lock on the package manager is waited for, and its holder is named",
        || {
            let server = lab.server("s1")?;
            server.run(PERSON)?;
            until_asked("a person's apt has the lock", LOOK, || {
                let looked = server.output("pgrep -f /run/lab-go")?;
                Ok(looked.status.success().then_some(()))
            })?;
            create_for(fleet, "lock", &PLAIN.target(), "name=s1", &[])?;
            let said = until_explained(fleet, "s1", &["apt-get (pid ", "/var/lib/dpkg/lock"])?;
            server.run("touch /run/lab-go")?;
            let seen = until_it_is(fleet, "lock", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            has(&server, PLAIN, Odd::SECOND)?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
}

fn reboots(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a reboot in the middle of a transaction waits for its end, and the rollout goes on",
        || {
            let server = lab.server("s2")?;
            let before = server.boot_id()?;
            create_for(fleet, "reboots", &REBOOTS.target(), "name=s2", &[])?;
            let seen = until_it_is(fleet, "reboots", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            let boot = server.wait_for_new_boot(&before)?;
            has(&server, REBOOTS, Odd::SECOND)?;
            Ok(format!("{}; boot {boot}", seen.tell()))
        },
    );
}

fn unlinks(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a version that loses a link is taken back, and the rollout stops",
        || {
            let server = lab.server("s3")?;
            hurry(&server, "health_timeout", "45s")?;
            create_for(fleet, "unlinks", &UNLINKS.target(), "name=s3", &[])?;
            let seen = until_it_is(fleet, "unlinks", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            has(&server, UNLINKS, Odd::FIRST)?;
            let held = server.run("apt-mark showhold")?;
            ensure!(held.contains(UNLINKS.name), "held are: {held}");
            let said = until_explained(fleet, "s3", &["rolledBack", "until a person has looked"])?;
            settle(fleet, "unlinks", "s3", "rolledBack")?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
}

fn forward(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a version that has no way back stays, and the rollout stops until a person has looked",
        || {
            let server = lab.server("s3")?;
            create_for(fleet, "forward", &FORWARD.target(), "name=s3", &[])?;
            let seen = until_it_is(fleet, "forward", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            has(&server, FORWARD, Odd::SECOND)?;
            let said = until_explained(fleet, "s3", &["failed", "until a person has looked"])?;
            server.run(LINK_UP)?;
            settle(fleet, "forward", "s3", "failed")?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
}

pub(super) fn hangs(checks: &mut Checks, lab: &Lab, fleet: &Fleet<'_>) {
    checks.check(
        "a configuration that hangs is ended, the old version is put back, and the rollout stops",
        || {
            let server = lab.server("s2")?;
            hurry(&server, "transaction_timeout", "60s")?;
            create_for(fleet, "hangs", &HANGS.target(), "name=s2", &[])?;
            let seen = until_it_is(fleet, "hangs", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            let said = until_explained(fleet, "s2", &["rolledBack", "until a person has looked"])?;
            has(&server, HANGS, Odd::FIRST)?;
            settle(fleet, "hangs", "s2", "rolledBack")?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
}

/// A package has this version on a server, and dpkg has nothing to complain of.
pub(super) fn has(server: &Server<'_>, odd: Odd, version: &str) -> Result<()> {
    let name = odd.name;
    let seen = server.run(&format!(
        "dpkg-query -f '${{db:Status-Status}} ${{Version}}' -W {name}; dpkg --audit"
    ))?;
    let wanted = format!("installed {version}");
    ensure!(seen == wanted, "{}: {name}: {seen}", server.name());
    Ok(())
}

/// The owner of a server has less patience than the agent's default.
pub(super) fn hurry(server: &Server<'_>, key: &str, time: &str) -> Result<()> {
    let script = format!(
        "sed -i '/^\\[patching\\]/,$d' /etc/h8lio/agent.toml && \
         printf '[patching]\\nboot_timeout = \"5m\"\\nhung_boot_timeout = \"6m\"\\n{key} = \"{time}\"\\n' >>/etc/h8lio/agent.toml && \
         h8lio-agent check-config && systemctl restart h8lio-agent"
    );
    server.run(&script)?;
    Ok(())
}
