//! `/boot` on a mirror, where GRUB cannot write its environment: the firmware makes the exception, and
//! where there is none no kernel goes in.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::kernel::{LOOK, META, PANICS, RUNS, script};
use super::prepare::{GRUB, MENU, roll_out};
use super::watch::{create_for, settle, until_it_is, until_waits};
use crate::checks::{Checks, say};
use crate::clock::until_asked;
use crate::fleet::{AnsibleCore, Fleet, Repository};
use crate::image::Flavour;
use crate::lab::Lab;
use crate::server::{Server, Spec};

/// Until a plan says why a node waits.
const PLANNED: Duration = Duration::from_secs(120);

/// What the firmware would start, without the entry that this boot came by.
const ENTRIES: &str = "efibootmgr | grep -v '^BootCurrent'";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    // One server at a time: that is quicker than all at once on two cores.
    for server in lab.servers()? {
        server.discard()?;
    }
    checks.check(
        "with /boot on a mirror, a kernel that panics is started by the firmware once and left again",
        || {
            let server = ready(lab, fleet, repository, 4, Flavour::MdUefi)?;
            let (before, entries) = (server.run(RUNS)?, server.run(ENTRIES)?);
            create_for(fleet, "mirror", "kernel", "name=s4", &[])?;
            let seen = until_it_is(fleet, "mirror", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            let console = server.console_text();
            let started = format!("\"h8lio {}\"", PANICS.release);
            for says in [started.as_str(), "Kernel panic"] {
                ensure!(console.contains(says), "the console knows no {says}");
            }
            server.wait_for_ssh()?;
            let runs = server.run_within(RUNS, LOOK)?;
            ensure!(runs == before, "{} runs {runs}", server.name());
            let after = server.run(ENTRIES)?;
            ensure!(after == entries, "{entries} has become {after}");
            settle(fleet, "mirror", &server.name(), "rolledBack")?;
            server.discard()?;
            Ok(seen.tell())
        },
    );
    checks.check(
        "with /boot on a mirror and no UEFI, no kernel goes in, and the reason says what to do",
        || {
            let server = ready(lab, fleet, repository, 5, Flavour::Md)?;
            create_for(fleet, "no-way", "kernel", "name=s5", &[])?;
            let says = ["NoWayBack", "/boot is on md RAID", "install kexec-tools"];
            let told = until_asked("the node waits for a way back", PLANNED, || {
                let told = fleet.ctl().ask(&["explain", "node", "s5"])?.to_string();
                Ok(says.iter().all(|part| told.contains(part)).then_some(told))
            })?;
            let image = format!("test ! -e /boot/vmlinuz-{}", PANICS.release);
            server.run(&image)?;
            let why = ["--reason", "the lab looked at it", "--yes"];
            let cancel = [&["rollout", "cancel", "no-way"][..], &why].concat();
            fleet.ctl().ask(&cancel)?;
            server.discard()?;
            Ok(told)
        },
    );
    Ok(())
}

/// A server of this kind in the fleet, on which a kernel waits.
fn ready<'a>(
    lab: &'a Lab,
    fleet: &Fleet<'a>,
    repository: &Repository,
    number: u8,
    flavour: Flavour,
) -> Result<Server<'a>> {
    let spec = Spec {
        flavour,
        ..Spec::new(number)
    };
    let server = lab.add_server(&spec, &|what| say(&format!("       {what}")))?;
    server.start()?;
    server.wait_for_ssh()?;
    server.run_within(GRUB, MENU)?;
    let ansible = fleet.ansible(AnsibleCore::Oldest)?;
    roll_out(lab, &ansible, &["--limit", &server.name()])?;
    repository.publish_with(lab.ssh(), server, &script(&PANICS))?;
    until_waits(fleet, lab, META, PANICS.version)?;
    Ok(server)
}
