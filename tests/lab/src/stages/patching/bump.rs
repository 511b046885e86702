//! A real kernel with another ABI: it loses a link on its first try, and stays on its second.

use anyhow::{Context as _, Result, ensure};

use super::backports::{Kernel, META};
use super::odd::hurry;
use super::samples::{LINK_DOWN, LINK_UP};
use super::watch::{acknowledge, create_for, until_explained, until_it_is, until_waits_on};
use crate::checks::Checks;
use crate::fleet::{Fleet, Repository};
use crate::lab::Lab;
use crate::server::Server;

/// A unit that takes a link down in a kernel that is newer, as a driver does that has lost its device.
fn unlink(release: &str) -> String {
    format!(
        "cat >/usr/local/sbin/lab-unlink <<'END'
#!/bin/sh
{LINK_DOWN}
END
chmod 755 /usr/local/sbin/lab-unlink
cat >/etc/systemd/system/lab-unlink.service <<'END'
[Unit]
ConditionKernelVersion={release}
After=systemd-networkd-wait-online.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-unlink
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload && systemctl --quiet enable lab-unlink.service && sync"
    )
}

/// The cause is gone, and so is what it did.
fn mend() -> String {
    format!("systemctl --quiet disable lab-unlink.service; {LINK_UP}; sync")
}

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    let kernel = checks.need("a newer kernel of the distribution is fetched", || {
        Kernel::get(lab.cache())
    })?;
    let server = checks.need("it waits on one server", || {
        let server = unheld(lab)?;
        for package in &kernel.packages {
            repository.take(package)?;
        }
        repository.publish(lab.ssh(), server)?;
        server.run(&unlink(&kernel.release))?;
        hurry(&server, "health_timeout", "90s")?;
        until_waits_on(fleet, &server, META, &kernel.version)?;
        Ok(server)
    })?;
    let name = server.name();
    let selector = format!("name={name}");
    let old = server.run("uname -r")?;
    checks.check(
        "a kernel that boots and loses a link gives way to the old one",
        || {
            create_for(fleet, "bump", "kernel", &selector, &[])?;
            let seen = until_it_is(fleet, "bump", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            server.wait_for_ssh()?;
            let runs = server.run("uname -r")?;
            ensure!(runs == old, "it runs {runs}");
            ensure!(
                server.console_text().contains(&kernel.release),
                "the console knows nothing of {}",
                kernel.release
            );
            let held = server.run("apt-mark showhold")?;
            ensure!(held.contains(META), "held are: {held}");
            let said = until_explained(fleet, &name, &["rolledBack", "until a person has looked"])?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
    checks.check(
        "when a person has mended it, another try leads into the new kernel for good",
        || {
            server.run(&mend())?;
            acknowledge(fleet, "bump", &name, "rolledBack")?;
            let retry = ["rollout", "retry", "bump", "--node", name.as_str()];
            fleet.ctl().change(&retry)?;
            let seen = until_it_is(fleet, "bump", &["finished"])?;
            let runs = server.run("uname -r")?;
            ensure!(runs == kernel.release, "it runs {runs}");
            let held = server.run("apt-mark showhold")?;
            ensure!(!held.contains(META), "held are: {held}");
            server.reboot()?;
            let runs = server.run("uname -r")?;
            ensure!(runs == kernel.release, "the next boot runs {runs}");
            Ok(format!("{}; {old} became {runs}", seen.tell()))
        },
    );
    Ok(())
}

/// A server on which no earlier fallback holds the kernel.
fn unheld(lab: &Lab) -> Result<Server<'_>> {
    for server in lab.servers()? {
        if !server.run("apt-mark showhold")?.contains(META) {
            return Ok(server);
        }
    }
    None.context("the kernel is held on every server")
}
