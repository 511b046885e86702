//! h8lio is rolled out to three servers as an operator does it, is right about them, notices what
//! happens to them, and leaves them as it found them.

mod end;
mod facts;
mod install;
mod loss;
mod packages;

use anyhow::{Context as _, Result, bail};

use super::Extent;
use crate::checks::{Checks, say};
use crate::fleet::Fleet;
use crate::lab::Lab;
use crate::server::Spec;

pub(super) fn run(checks: &mut Checks, lab: &Lab, extent: Extent) -> Result<()> {
    boot(checks, lab)?;
    let fleet = checks.need("a coordinator answers in the namespace", || {
        Fleet::create(lab)
    })?;
    let ansible = checks.need("Ansible and the collection are installed", || {
        fleet.ansible()
    })?;
    facts::prepare(checks, lab)?;
    install::run(checks, lab, &fleet, &ansible)?;
    facts::run(checks, lab, &fleet, &ansible);
    loss::run(checks, lab, &fleet, extent)?;
    if extent == Extent::Whole {
        packages::run(checks, lab, &fleet, &ansible)?;
    }
    end::run(checks, lab, &fleet, &ansible);
    Ok(())
}

/// Three ordinary servers, on and reached.
fn boot(checks: &mut Checks, lab: &Lab) -> Result<()> {
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
