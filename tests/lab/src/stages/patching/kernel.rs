//! A kernel that panics: the server is back with the old one by itself, and nobody else is touched.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::watch::{Seen, create, settle, until_it_is, until_waits};
use crate::checks::Checks;
use crate::fleet::{Fleet, Repository};
use crate::lab::Lab;
use crate::server::Server;

/// The package that brings the newest kernel.
pub(super) const META: &str = "linux-image-amd64";

/// How a server looks that runs another kernel than before, or the same.
pub(super) const RUNS: &str = "uname -r";

/// A kernel that is the one that runs, with another initrd.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    pub(super) release: &'static str,
    pub(super) version: &'static str,
    /// A shell command that prints its initrd.
    pub(super) initrd: &'static str,
}

/// Its initrd is empty: it finds no root file system and panics.
pub(super) const PANICS: Kernel = Kernel {
    release: "6.1.0-999-amd64",
    version: "6.1.999-1",
    initrd: ": | cpio --quiet -o -H newc",
};

/// As Debian's archive brings a new ABI: the package of the new kernel is new, the one that was installed
/// stays, and the package that depends on the newest goes from one to the other; its old version is
/// there to go back to.
pub(super) fn script(kernel: &Kernel) -> String {
    let Kernel {
        release,
        version,
        initrd,
    } = kernel;
    let control = |fields: &str| {
        format!(
            "printf '%s\\n' {fields} 'Architecture: amd64' 'Section: kernel' \
             'Maintainer: the lab <lab@localhost>' 'Description: a kernel' >tree/DEBIAN/control; \
             dpkg-deb --root-owner-group -Znone --build tree $part.deb >/dev/null; rm -rf tree"
        )
    };
    let meta = |version: &str, release: &str| {
        let fields =
            format!("'Package: {META}' \"Version: {version}\" \"Depends: linux-image-{release}\"");
        format!("mkdir -p tree/DEBIAN; {}", control(&fields))
    };
    let image = control(&format!(
        "'Package: linux-image-{release}' 'Version: {version}'"
    ));
    format!(
        "old=$(uname -r); was=$(dpkg-query -f '${{Version}}' -W {META}); \
         part=old; {}; part=new; {}; part=image; \
         mkdir -p tree/DEBIAN tree/boot tree/lib/modules/{release}; \
         cp /boot/vmlinuz-$old tree/boot/vmlinuz-{release}; \
         cp /boot/config-$old tree/boot/config-{release}; \
         : >tree/lib/modules/{release}/modules.dep; \
         {{ {initrd}; }} >tree/boot/initrd.img-{release}; \
         printf '#!/bin/sh\\nset -e\\nupdate-grub 2>/dev/null\\nsync\\n' >tree/DEBIAN/postinst; \
         chmod 755 tree/DEBIAN/postinst; {image}",
        meta("$was", "$old"),
        meta(version, release)
    )
}

/// Menus are read for kernels anew in the transaction.
pub(super) const LOOK: Duration = Duration::from_secs(60);

/// scenario: 24 (lab)
pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("a newer kernel waits on each server", || {
        for server in lab.servers()? {
            repository.publish_with(lab.ssh(), server, &script(&PANICS))?;
        }
        until_waits(fleet, lab, META, PANICS.version)
    })?;
    checks.check(
        "a kernel that panics gives way to the old one, and the rollout stops at that server",
        || {
            let (tried, seen) = falls_back(lab, fleet, "kernel", "Kernel panic")?;
            let audit = tried.run("dpkg --audit")?;
            ensure!(audit.is_empty(), "{audit}");
            settle(fleet, "kernel", &tried.name(), "rolledBack")?;
            Ok(seen.tell())
        },
    );
    Ok(())
}

/// A rollout of the kernel that waits on every server stops at the first one: its console has these words
/// of the new kernel's end, and every server runs the kernel from before.
pub(super) fn falls_back<'a>(
    lab: &'a Lab,
    fleet: &Fleet<'_>,
    rollout: &str,
    dies: &str,
) -> Result<(Server<'a>, Seen)> {
    let before = lab.server("s1")?.run(RUNS)?;
    create(fleet, rollout, "kernel")?;
    let seen = until_it_is(fleet, rollout, &["finished", "halted"])?;
    ensure!(seen.state == "halted", "{}", seen.tell());
    ensure!(seen.order.len() == 1, "{}", seen.tell());
    let tried = lab.server(&seen.order[0])?;
    ensure!(
        tried.console_text().contains(dies),
        "the console of {} does not have {dies:?}",
        tried.name()
    );
    for server in lab.servers()? {
        server.wait_for_ssh()?;
        let runs = server.run_within(RUNS, LOOK)?;
        ensure!(runs == before, "{} runs {runs}", server.name());
    }
    Ok((tried, seen))
}
