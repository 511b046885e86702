//! Power that goes and comes.

use std::time::Duration;

use anyhow::{Result, bail};

use super::networks::answers_ping;
use crate::checks::Checks;
use crate::clock::until;
use crate::lab::Lab;
use crate::server::{Power, Server};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(checks: &mut Checks, s1: Server<'_>, s2: Server<'_>) {
    checks.check("a reboot is another boot", || {
        let before = s1.boot_id()?;
        let after = s1.reboot()?;
        if after == before {
            bail!("the boot id is still {after}");
        }
        Ok(format!("{before} then {after}"))
    });
    checks.check(
        "a power cut loses what was not written, and keeps the rest",
        || power_cut(s2),
    );
}

/// While the server writes, its power is cut. What it had synced is there afterwards, and the
/// file system had to be recovered.
fn power_cut(server: Server<'_>) -> Result<String> {
    let before = server.boot_id()?;
    server.run("echo kept >/var/tmp/kept && sync")?;
    server.run(
        "systemd-run --quiet sh -c 'while :; do dd if=/dev/zero of=/var/tmp/lost bs=64k count=64 \
         status=none; echo more >>/var/tmp/log; done'",
    )?;
    until("the server writes", LIMIT, || {
        Ok(server
            .run("test ! -s /var/tmp/log || echo yes")?
            .contains("yes")
            .then_some(()))
    })?;
    server.run("echo lost >/var/tmp/late")?;
    server.cut_power()?;
    if server.power()? == Power::On {
        bail!("the server is on after its power was cut");
    }
    server.start()?;
    let after = server.wait_for_ssh()?;
    if after == before {
        bail!("the boot id is still {after}");
    }
    let kept = server.run("cat /var/tmp/kept")?;
    let late = server.run("cat /var/tmp/late 2>/dev/null || true")?;
    if kept != "kept" || late == "lost" {
        bail!("synced: {kept:?}, not synced: {late:?}");
    }
    let recovered = server.run("dmesg | grep 'recovery complete'")?;
    Ok(format!("{before} then {after}; {recovered}"))
}

/// The two ways to stand still, and the reset button.
pub(super) fn freezes(checks: &mut Checks, lab: &Lab, server: Server<'_>) {
    checks.check(
        "a paused server is silent, and the same boot afterwards",
        || stands_still(lab, server, Server::pause, Server::resume),
    );
    checks.check(
        "a frozen server is silent, and the same boot afterwards",
        || stands_still(lab, server, Server::freeze, Server::thaw),
    );
    checks.check("the reset button is another boot", || {
        let before = server.boot_id()?;
        server.reset()?;
        server.wait_for_new_boot(&before)
    });
    checks.check("the power button switches a server off", || {
        server.shut_down()?;
        Ok(String::new())
    });
}

fn stands_still<'a>(
    lab: &Lab,
    server: Server<'a>,
    stop: fn(&Server<'a>) -> Result<()>,
    go: fn(&Server<'a>) -> Result<()>,
) -> Result<String> {
    let before = server.boot_id()?;
    // Without this, silence would prove nothing.
    until("it answers pings while it runs", LIMIT, || {
        Ok(answers_ping(lab, server)?.then_some(()))
    })?;
    stop(&server)?;
    let heard = answers_ping(lab, server);
    go(&server)?;
    if heard? {
        bail!("it answers while it stands still");
    }
    let after = lab.ssh().wait(server.number(), LIMIT)?;
    if after != before {
        bail!("it was boot {before} and is boot {after}");
    }
    Ok(after)
}
