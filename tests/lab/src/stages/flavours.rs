//! The other ways to boot, and the other release, which h8lio is rolled out to.

use std::time::Duration;

use anyhow::Result;

use super::{Extent, expect_all};
use crate::checks::{Checks, say};
use crate::fleet::{AnsibleCore, Fleet};
use crate::image::{Flavour, Release};
use crate::lab::Lab;
use crate::server::{Server, Spec};

/// Ansible waits until the node is online; this is for a look afterwards.
const ONLINE: Duration = Duration::from_secs(60);

/// One after another: that is quicker than all at once on two cores.
pub(super) fn run(checks: &mut Checks, lab: &Lab, _: Extent) -> Result<()> {
    let debian13 = Spec {
        release: Release::Trixie,
        ..Spec::new(4)
    };
    let cases = [
        (flavoured(1, Flavour::Uefi), "a server boots by UEFI, twice"),
        (
            flavoured(2, Flavour::Md),
            "a server boots from /boot on a mirror, twice",
        ),
        (
            flavoured(3, Flavour::MdUefi),
            "a server boots by UEFI from /boot on a mirror, twice",
        ),
        (debian13, "a server boots Debian 13, twice"),
    ];
    for (spec, sentence) in &cases {
        checks.check(sentence, || boots_twice(lab, spec));
        if spec.release == Release::Trixie {
            checks.check("it is rolled out to, and is online", || enrolls(lab, spec));
        }
        if let Ok(server) = lab.server(&format!("s{}", spec.number)) {
            server.discard()?;
        }
    }
    Ok(())
}

fn flavoured(number: u8, flavour: Flavour) -> Spec {
    Spec {
        flavour,
        ..Spec::new(number)
    }
}

fn boots_twice(lab: &Lab, spec: &Spec) -> Result<String> {
    let server = lab.add_server(spec, &|what| say(&format!("       {what}")))?;
    server.start()?;
    server.wait_for_ssh()?;
    looks_as_asked(server, spec)?;
    server.reboot()?;
    looks_as_asked(server, spec)
}

/// With the newest Ansible: the oldest knows no Python as new as this release's.
fn enrolls(lab: &Lab, spec: &Spec) -> Result<String> {
    let fleet = Fleet::create(lab)?;
    let ansible = fleet.ansible(AnsibleCore::Newest)?;
    ansible.playbook("h8lio.fleet.rollout", &[])?;
    let name = format!("s{}", spec.number);
    let state = fleet.ctl().wait_for(&name, &["Online"], ONLINE)?;
    let os = fleet.ctl().show(&name)?["inventory"]["os"].to_string();
    expect_all(&os, &[spec.release.name()])?;
    Ok(state)
}

fn looks_as_asked(server: Server<'_>, spec: &Spec) -> Result<String> {
    let firmware = server.run("test -d /sys/firmware/efi && echo UEFI || echo BIOS")?;
    let boot = server.run("findmnt --noheadings --output SOURCE --target /boot")?;
    let release = server.run(". /etc/os-release; echo $VERSION_CODENAME $(uname -r)")?;
    expect_all(
        &firmware,
        &[if spec.flavour.has_uefi() {
            "UEFI"
        } else {
            "BIOS"
        }],
    )?;
    expect_all(
        &boot,
        &[if spec.flavour.boots_from_md() {
            "/dev/md"
        } else {
            "/dev/sd"
        }],
    )?;
    expect_all(&release, &[spec.release.name()])?;
    Ok(format!("{firmware}, /boot on {boot}, {release}"))
}
