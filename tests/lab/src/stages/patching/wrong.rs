//! Rollouts in which something goes wrong.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::SAMPLE;
use super::security::installed;
use super::watch::{create, settle, until_explained, until_it_is, until_it_waits};
use crate::checks::Checks;
use crate::clock::until_asked;
use crate::fleet::{Fleet, Repository, Sample};
use crate::lab::Lab;
use crate::server::Server;

/// Left by a configuration that has begun.
const MARK: &str = "/var/lib/lab-has-begun";

/// Its configuration does not come to an end on the first try: whoever waits for it is cut off.
const CUT: Sample<'_> = Sample {
    name: SAMPLE,
    version: "3",
    postinst: "if ! test -e /var/lib/lab-has-begun; then touch /var/lib/lab-has-begun; sync; sleep 600; fi",
    conffile: "colour = green\n",
};

/// Its configuration fails, however often it is tried.
const BROKEN: Sample<'_> = Sample {
    name: SAMPLE,
    version: "4",
    postinst: "echo this version is broken >&2; exit 1",
    conffile: "colour = green\n",
};

/// Until the agent of an emulated server has come so far as to run a transaction.
const BEGUN: Duration = Duration::from_secs(300);

/// scenario: 21 (lab)
pub(super) fn power_cut(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("an update waits whose configuration takes long", || {
        repository.add(&CUT)?;
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
        }
        until_it_waits(fleet, lab, CUT.version)
    })?;
    checks.check(
        "a power cut in the middle of a transaction is repaired, and the rollout goes on",
        || {
            create(fleet, "cut", "security")?;
            let first = until_asked("a transaction is in its configuration", BEGUN, || {
                let there = |server: &Server<'_>| {
                    let looked = server.output(&format!("test -e {MARK}"));
                    looked.is_ok_and(|output| output.status.success())
                };
                Ok(lab.servers()?.into_iter().find(there))
            })?;
            first.cut_power()?;
            // The others do not wait.
            for server in lab.servers()? {
                if server.number() != first.number() {
                    server.run(&format!("touch {MARK}"))?;
                }
            }
            first.start()?;
            first.wait_for_ssh()?;
            let seen = until_it_is(fleet, "cut", &["finished", "halted"])?;
            ensure!(seen.state == "finished", "{}", seen.tell());
            for server in lab.servers()? {
                installed(lab, &server.name(), "3")?;
            }
            Ok(format!("{} was cut; {}", first.name(), seen.tell()))
        },
    );
    Ok(())
}

/// scenario: 18 (lab)
pub(super) fn broken(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("an update waits that cannot be installed", || {
        repository.add(&BROKEN)?;
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
        }
        until_it_waits(fleet, lab, BROKEN.version)
    })?;
    checks.check(
        "a version that cannot be configured is taken back, and the rollout stops at that server",
        || {
            create(fleet, "broken", &format!("packages:{SAMPLE}"))?;
            let seen = until_it_is(fleet, "broken", &["finished", "halted"])?;
            ensure!(seen.state == "halted", "{}", seen.tell());
            ensure!(seen.order.len() == 1, "{}", seen.tell());
            let tried = &seen.order[0];
            for server in lab.servers()? {
                if server.name() != *tried {
                    installed(lab, &server.name(), "3")?;
                }
            }
            installed(lab, tried, "3")?;
            let said = until_explained(fleet, tried, &["rolledBack", "until a person has looked"])?;
            settle(fleet, "broken", tried, "rolledBack")?;
            Ok(format!("{}; {said}", seen.tell()))
        },
    );
    Ok(())
}
