//! The servers as an operator prepares them: a boot menu that leads back, an old version to be
//! replaced, and agents that may act.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{SAMPLE, samples};
use crate::checks::Checks;
use crate::fleet::{Ansible, Repository, Sample};
use crate::lab::Lab;

/// The oldest version of the sample; what a fallback goes back to is published beside what is new.
pub(super) const FIRST: Sample<'_> = Sample {
    name: SAMPLE,
    version: "1",
    postinst: "",
    conffile: "colour = blue\n",
};

/// Writing the boot menu looks for kernels and systems, on an emulated processor.
pub(super) const MENU: Duration = Duration::from_secs(180);

/// What docs/patching.md asks for.
pub(super) const GRUB: &str = "mkdir -p /etc/default/grub.d && printf '%s\\n' GRUB_DEFAULT=saved \
     GRUB_DISABLE_SUBMENU=y 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX panic=5\"' \
     >/etc/default/grub.d/way-back.cfg && update-grub 2>/dev/null && sync";

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    ansible: &Ansible<'_>,
    repository: &Repository,
) -> Result<()> {
    checks.need("the boot menu of each server leads back", || {
        for server in lab.servers()? {
            server.run_within(GRUB, MENU)?;
        }
        Ok(())
    })?;
    checks.need("an old version is installed on each server", || {
        repository.add(&FIRST)?;
        let mut names = SAMPLE.to_owned();
        for odd in samples::ALL {
            let [first, _] = odd.versions();
            repository.add(&first)?;
            names = format!("{names} {}", odd.name);
        }
        for server in lab.servers()? {
            repository.publish(lab.ssh(), server)?;
            server.run(&format!(
                "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install {names} >/dev/null"
            ))?;
        }
        Ok(())
    })?;
    checks.need("h8lio is rolled out with agents that may patch", || {
        roll_out(lab, ansible, &[])
    })?;
    Ok(())
}

/// With agents that may act, and BMCs that wait no longer than an emulated server takes to boot.
pub(super) fn roll_out(lab: &Lab, ansible: &Ansible<'_>, arguments: &[&str]) -> Result<()> {
    let config = "[domains]\npatching = \"act\"\n[patching]\nboot_timeout = \"5m\"\nhung_boot_timeout = \"6m\"\n";
    let vars = lab.folder().join("fleet/act.json");
    let text = serde_json::json!({"agent_config": config});
    std::fs::write(&vars, text.to_string())
        .with_context(|| format!("cannot write {}", vars.display()))?;
    let vars = format!("@{}", vars.display());
    let arguments = [&["--extra-vars", vars.as_str()], arguments].concat();
    ansible.playbook("h8lio.fleet.rollout", &arguments)?;
    Ok(())
}
