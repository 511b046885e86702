//! The other ways to boot, and the other release.

use anyhow::Result;

use super::{Extent, expect_all};
use crate::checks::{Checks, say};
use crate::image::{Flavour, Release};
use crate::lab::Lab;
use crate::server::{Server, Spec};

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
    for (spec, sentence) in cases {
        checks.check(sentence, || boots_twice(lab, &spec));
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
    let seen = looks_as_asked(server, spec)?;
    server.cut_power()?;
    Ok(seen)
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
