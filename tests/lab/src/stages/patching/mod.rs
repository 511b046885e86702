//! Real servers are patched and booted by rollouts, one after the other, and come back from what
//! goes wrong.

mod backports;
mod bump;
mod hang;
mod health;
mod kernel;
mod losses;
mod md;
mod odd;
mod own;
mod prepare;
mod restore;
mod samples;
mod security;
mod watch;
mod wrong;

use anyhow::Result;

use super::{Extent, three_servers};
use crate::checks::Checks;
use crate::fleet::{AnsibleCore, Fleet, Repository};
use crate::lab::Lab;

/// What is patched.
const SAMPLE: &str = "h8lio-lab-sample";

pub(super) fn run(checks: &mut Checks, lab: &Lab, extent: Extent) -> Result<()> {
    let _servers = three_servers(checks, lab)?;
    let fleet = checks.need("a coordinator answers in the namespace", || {
        Fleet::create(lab)
    })?;
    let ansible = checks.need("Ansible and the collection are installed", || {
        fleet.ansible(AnsibleCore::Oldest)
    })?;
    let repository = Repository::new(&lab.folder().join("fleet/repository"))?;
    prepare::run(checks, lab, &ansible, &repository)?;
    security::run(checks, lab, &fleet, &repository)?;
    if extent == Extent::Whole {
        security::boots_alone(checks, lab, &fleet);
    }
    wrong::power_cut(checks, lab, &fleet, &repository)?;
    kernel::run(checks, lab, &fleet, &repository)?;
    if extent == Extent::Whole {
        hang::run(checks, lab, &fleet, &repository)?;
        odd::run(checks, lab, &fleet, &repository)?;
        health::run(checks, lab, &fleet)?;
        restore::run(checks, lab, &fleet)?;
        own::run(checks, lab, &fleet, &repository)?;
        bump::run(checks, lab, &fleet, &repository)?;
        wrong::broken(checks, lab, &fleet, &repository)?;
        odd::hangs(checks, lab, &fleet);
        md::run(checks, lab, &fleet, &repository)?;
    }
    Ok(())
}
