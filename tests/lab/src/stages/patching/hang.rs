//! A kernel that hangs: no panic boots the server again, but its BMC does.

use anyhow::{Result, ensure};

use super::kernel::{Kernel, LOOK, META, falls_back, script};
use super::watch::{settle, until_waits};
use crate::checks::Checks;
use crate::fleet::{Fleet, Repository};
use crate::lab::Lab;

/// The first program of its initrd does nothing for ever.
const HANGS: Kernel = Kernel {
    release: "6.1.0-1000-amd64",
    version: "6.1.1000-1",
    initrd: "rm -rf first; mkdir -p first/bin first/lib; \
             cp /usr/lib/klibc/bin/sh /usr/lib/klibc/bin/sleep first/bin/; \
             cp /lib/klibc-*.so first/lib/; \
             printf '#!/bin/sh\\necho the lab hangs\\nwhile :; do /bin/sleep 1000; done\\n' >first/init; \
             chmod 755 first/init; (cd first; find . | cpio --quiet -o -H newc); rm -rf first",
};

/// What the firmware of the BMC says of its watchdog: eight bytes, the last two of what is left.
const LEFT: &str = "ipmitool raw 6 0x25";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("a kernel that hangs waits on each server", || {
        for server in lab.servers()? {
            // What the rollout before left held is let go by a person.
            server.run(&format!("apt-mark unhold {META}"))?;
            repository.publish_with(lab.ssh(), server, &script(&HANGS))?;
        }
        until_waits(fleet, lab, META, HANGS.version)
    })?;
    checks.check(
        "a kernel that hangs is ended by the BMC's watchdog, and the server is back with the old one",
        || {
            let (tried, seen) = falls_back(lab, fleet, "hang", "the lab hangs")?;
            let says = "journalctl --unit h8lio-agent | grep --fixed-strings 'the BMC reset the server'";
            tried.run_within(says, LOOK)?;
            let left = tried.run(LEFT)?;
            ensure!(left.trim_end().ends_with("00 00"), "it counts: {left}");
            settle(fleet, "hang", &tried.name(), "rolledBack")?;
            Ok(seen.tell())
        },
    );
    Ok(())
}
