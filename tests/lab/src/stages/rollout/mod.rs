//! h8lio is rolled out to three servers as an operator does it, is right about them, notices what
//! happens to them, and leaves them as it found them.

mod end;
mod facts;
mod install;
mod loss;
mod packages;
mod traces;

use anyhow::{Context as _, Result, bail};

use super::{Extent, three_servers};
use crate::ceph::servers::Cluster;
use crate::checks::Checks;
use crate::fleet::{AnsibleCore, Fleet};
use crate::lab::Lab;

/// The disk of each server that becomes an OSD.
const OSD_DISK: &str = "d2";

pub(super) fn run(checks: &mut Checks, lab: &Lab, extent: Extent) -> Result<()> {
    let servers = three_servers(checks, lab)?;
    let cluster = checks.need("an OSD runs on each server", || {
        let cluster = Cluster::up(lab)?;
        cluster.add_osds(&servers, OSD_DISK)?;
        Ok(cluster)
    })?;
    let fleet = checks.need("a coordinator answers in the namespace", || {
        Fleet::create(lab)
    })?;
    let ansible = checks.need("Ansible and the collection are installed", || {
        fleet.ansible(AnsibleCore::Oldest)
    })?;
    facts::prepare(checks, lab)?;
    install::run(checks, lab, &fleet, &ansible, extent)?;
    facts::run(checks, lab, &fleet, &ansible, &cluster);
    loss::run(checks, lab, &fleet, extent)?;
    if extent == Extent::Whole {
        packages::run(checks, lab, &fleet, &ansible)?;
    }
    end::run(checks, lab, &fleet, &ansible, extent);
    if extent == Extent::Whole {
        packages::coordinator_goes(checks, lab, &ansible)?;
    }
    Ok(())
}

/// The text at a path of JSON.
fn text<'v>(value: &'v serde_json::Value, pointer: &str) -> Result<&'v str> {
    let found = value.pointer(pointer).and_then(serde_json::Value::as_str);
    found.with_context(|| format!("no text at {pointer} in {value}"))
}

/// Both must be the same; what was seen is returned.
fn same(what: &str, seen: &str, wanted: &str) -> Result<String> {
    if seen != wanted {
        bail!("{what} is {seen:?}, not {wanted:?}");
    }
    Ok(seen.to_owned())
}
