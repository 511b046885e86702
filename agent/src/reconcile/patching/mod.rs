//! From raw package outputs to package facts and their conditions.

pub mod boot;
mod conditions;
pub mod kernel;
mod pace;
pub mod parse;
mod reboot;
pub mod transaction;
mod version;
pub mod way;

use h8lio_model::inventory::{BrokenPackage, KernelFacts, PackageFacts, Problem};

pub use conditions::conditions;
pub use pace::{LastRead, must_read};

use crate::host::packages::RawPackages;
use parse::{NotUnderstood, apt, audit, dpkg, needrestart};

/// Package facts from raw outputs. An output that is missing or not understood leaves its facts
/// unknown, and a problem.
pub fn facts(raw: &RawPackages) -> PackageFacts {
    let mut problems = raw.problems.clone();
    let database = understood(&raw.installed, "dpkg-query", &mut problems, dpkg::database);
    let complaints = understood(&raw.audit, "dpkg --audit", &mut problems, audit::complaints);
    let upgrade = understood(
        &raw.upgrade,
        "apt-get --simulate dist-upgrade",
        &mut problems,
        apt::simulation,
    );
    let findings = understood(
        &raw.reboot.needrestart,
        "needrestart",
        &mut problems,
        needrestart::findings,
    );
    let kernels = database.as_ref().map(|d| d.kernels.as_slice());
    let held: Vec<String> = database
        .iter()
        .flat_map(|d| d.held.iter().filter_map(|name| dpkg::kernel(name)))
        .collect();
    let kernel = raw.reboot.running_kernel.as_ref().zip(kernels);
    let kernel = kernel.map(|(running, installed)| KernelFacts {
        running: running.clone(),
        newest: kernel::to_boot(running, installed, &held).cloned(),
    });
    let reboot_required = reboot::merge(&raw.reboot, findings.as_ref(), kernels, &mut problems);
    let (installed, held, broken) = database
        .map(|d| (Some(d.installed), d.held, d.broken))
        .unwrap_or_default();
    let (upgradable, arriving, kept_back) = upgrade
        .map(|u| (Some(u.upgradable), Some(u.new), u.kept_back))
        .unwrap_or_default();
    PackageFacts {
        manager: raw.manager.clone(),
        installed,
        upgradable,
        arriving,
        kernel,
        held,
        kept_back,
        broken: merged(broken, complaints.unwrap_or_default()),
        interrupted: raw
            .journal
            .as_deref()
            .map(|files| raw.busy.is_empty() && files.iter().any(|f| is_journal(f))),
        busy: raw.busy.clone(),
        index_updated_at: raw.index_updated_at,
        reboot_required,
        services_to_restart: findings.map(|f| f.services).unwrap_or_default(),
        // Whoever asked for the reading knows when it was.
        boot_id: None,
        after: None,
        problems,
    }
}

fn understood<T>(
    raw: &Option<Vec<u8>>,
    what: &str,
    problems: &mut Vec<Problem>,
    read: impl Fn(&[u8]) -> Result<T, NotUnderstood>,
) -> Option<T> {
    match read(raw.as_deref()?) {
        Ok(value) => Some(value),
        Err(e) => {
            problems.push(e.problem(what));
            None
        }
    }
}

/// The database's word comes first; the audit adds packages whose files are missing.
pub(crate) fn merged(
    mut broken: Vec<BrokenPackage>,
    complaints: Vec<BrokenPackage>,
) -> Vec<BrokenPackage> {
    for complaint in complaints {
        if !broken.iter().any(|b| b.name == complaint.name) {
            broken.push(complaint);
        }
    }
    broken.sort();
    broken
}

/// dpkg's journal is files named by numbers; `tmp.i` beside them is none.
pub(crate) fn is_journal(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
