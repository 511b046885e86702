//! The lab checks itself: a fault that it cannot make, or a repair that does not repair, would
//! make every later check worthless.

mod disks;
mod networks;
mod power;

use std::process::Output;
use std::time::Duration;

use anyhow::Result;

use super::{Extent, expect_all};
use crate::checks::{Checks, say};
use crate::clock::until;
use crate::lab::Lab;
use crate::server::{Server, Spec};
use crate::space::Network;

/// For what takes a moment on an idle machine.
const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn run(checks: &mut Checks, lab: &Lab, extent: Extent) -> Result<()> {
    boot_three(checks, lab)?;
    let [s1, s2, s3] = [lab.server("s1")?, lab.server("s2")?, lab.server("s3")?];
    for server in [s1, s2, s3] {
        identity(checks, server);
    }
    devices(checks, s1);
    networks::run(checks, lab, s1, s3);
    disks::run(checks, s1);
    power::run(checks, s1, s2);
    if extent == Extent::Whole {
        power::freezes(checks, lab, s3);
    }
    Ok(())
}

/// Three ordinary servers, on and reached.
fn boot_three(checks: &mut Checks, lab: &Lab) -> Result<()> {
    checks.need("disks for three servers", || {
        for number in 1..=3 {
            lab.add_server(&Spec::new(number), &|what| say(&format!("       {what}")))?;
        }
        Ok(())
    })?;
    checks.need("three servers boot at once", || {
        for server in lab.servers()? {
            server.start()?;
        }
        for server in lab.servers()? {
            server.wait_for_ssh()?;
        }
        Ok(())
    })
}

fn identity(checks: &mut Checks, server: Server<'_>) {
    let name = server.name();
    checks.check(
        &format!("{name} knows its name, its serial number and its addresses"),
        || {
            let seen = server.run(
                "hostname; cat /sys/class/dmi/id/product_serial /sys/class/dmi/id/product_uuid; \
             ip -4 -brief address",
            )?;
            let wanted = [
                name.clone(),
                server.spec()?.serial(),
                server.spec()?.uuid(),
                Network::Mgmt.server(server.number()).to_string(),
                Network::Priv.server(server.number()).to_string(),
            ];
            expect_all(&seen, &wanted)?;
            Ok(wanted.join(" "))
        },
    );
}

fn devices(checks: &mut Checks, server: Server<'_>) {
    checks.check("a server boots through GRUB from its own disk", || {
        let line = server.run("cat /proc/cmdline")?;
        expect_all(&line, &["BOOT_IMAGE=/boot/vmlinuz-", "root=UUID="])?;
        Ok(line)
    });
    checks.check(
        "a server has a BMC and a hardware watchdog of its own",
        || {
            // Their drivers come when udev has seen all devices, which may be after ssh.
            until("the driver of the BMC", LIMIT, || {
                let answer = server.output("ipmitool mc info")?;
                Ok(said(&answer).contains("IPMI Version").then_some(()))
            })?;
            let dog = until("the driver of the watchdog", LIMIT, || {
                let seen = server.output("cat /sys/class/watchdog/watchdog0/identity")?;
                Ok(seen.status.success().then(|| said(&seen)))
            })?;
            expect_all(&dog, &["i6300ESB"])?;
            Ok(format!("ipmitool answers, {dog}"))
        },
    );
}

/// What a command said, on one line.
fn said(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    text.concat().trim().replace('\n', " | ")
}
