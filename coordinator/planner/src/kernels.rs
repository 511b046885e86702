//! Kernels: each comes as a new package beside the one that runs, which is the way back.

use std::collections::BTreeSet;

use h8lio_model::inventory::{NewPackage, PackageFacts, RebootReason};
use h8lio_model::kernel::{image_release, is_booted, line, split};
use h8lio_model::order::{KernelRelease, PackageChange};
use h8lio_model::plan::{FactName, ResolvedPackage, WaitingOn};
use h8lio_model::rollout::RolloutTarget;

use crate::versions::{bare, row_of};

/// The packages of a kernel that come anew with what the target means.
pub(crate) fn arriving<'a>(
    target: &'a RolloutTarget,
    facts: &'a PackageFacts,
) -> impl Iterator<Item = &'a NewPackage> {
    let all = facts.arriving.iter().flatten();
    all.filter(|package| is_meant(target, package))
}

fn is_meant(target: &RolloutTarget, package: &NewPackage) -> bool {
    let name = bare(&package.name);
    let of_a_kernel = is_booted(name) && line(name).is_some();
    of_a_kernel
        && match target {
            RolloutTarget::All | RolloutTarget::Kernel => true,
            RolloutTarget::Security => package.security,
            // Whoever names what points to the newest kernel means the kernel.
            RolloutTarget::Packages(names) => names
                .iter()
                .map(|n| n.as_str())
                .any(|n| n == name || (is_booted(n) && line(n).is_none())),
            RolloutTarget::RebootOnly => false,
        }
}

/// What a version is settled for: a package, or a flavour's kernel, whose name changes with it.
pub(crate) fn settled_as(name: &str) -> String {
    match line(name).filter(|_| is_booted(name)) {
        Some((before, flavour)) => format!("{before} of {flavour}"),
        None => name.to_owned(),
    }
}

/// A new package as a row of the rollout's versions.
pub(crate) fn row(release: &str, package: &NewPackage) -> Option<ResolvedPackage> {
    row_of(
        release,
        &package.name,
        &package.architecture,
        &package.version,
    )
}

/// The change that brings the kernel which was settled for the rollout: of the same flavour as what
/// is offered here, which may be a later one by now.
pub(crate) fn change(
    resolved: &[ResolvedPackage],
    release: &str,
    package: &NewPackage,
) -> Result<Option<PackageChange>, WaitingOn> {
    let missing = |fact| WaitingOn::MissingFact { fact };
    let offered = row(release, package).ok_or_else(|| missing(FactName::Packages))?;
    let of = |r: &ResolvedPackage| line(r.name.as_str()).map(|(a, b)| (a.to_owned(), b.to_owned()));
    let same = |r: &&ResolvedPackage| {
        r.release == release && r.architecture == offered.architecture && of(r) == of(&offered)
    };
    let settled: BTreeSet<_> = resolved
        .iter()
        .filter(same)
        .map(|r| (&r.name, &r.to))
        .collect();
    let (name, to) = match settled.len() {
        // It appeared after the versions were settled, and is the next rollout's.
        0 => return Ok(None),
        _ if settled.contains(&(&offered.name, &offered.to)) => (&offered.name, &offered.to),
        1 => *settled.first().expect("one"),
        _ => return Err(missing(FactName::Version)),
    };
    Ok(Some(PackageChange {
        name: name.clone(),
        architecture: offered.architecture.clone(),
        from: None,
        to: to.clone(),
    }))
}

/// What must run after a boot: the kernel that the order brings of the flavour that runs, else the
/// newest one that is installed, unless somebody holds it: then the one that runs. `None` where that
/// is not known; then the agent boots what runs.
pub(crate) fn wished(changes: &[PackageChange], facts: &PackageFacts) -> Option<KernelRelease> {
    let own = facts.kernel.as_ref()?;
    let flavour = split(&own.running).1;
    let brought = changes
        .iter()
        .filter(|c| c.from.is_none())
        .filter_map(|c| image_release(c.name.as_str()))
        .find(|release| split(release).1 == flavour);
    let newest = own
        .newest
        .as_deref()
        .map(|newest| match is_held(newest, facts) {
            true => &own.running,
            false => newest,
        });
    brought.or(newest)?.parse().ok()
}

/// Whether somebody holds the package of this kernel, so that no boot is to lead into it.
fn is_held(release: &str, facts: &PackageFacts) -> bool {
    let mut held = facts.held.iter();
    held.any(|name| image_release(bare(name)) == Some(release))
}

/// Whether the node asks for a boot that would change something: a newer kernel that is held is none.
pub(crate) fn asks_for_a_boot(facts: &PackageFacts) -> bool {
    let said = &facts.reboot_required;
    let is_idle = |reason: &RebootReason| match reason {
        RebootReason::Kernel { installed, .. } => is_held(installed, facts),
        _ => false,
    };
    let for_nothing = !said.reasons.is_empty() && said.reasons.iter().all(is_idle);
    said.required == Some(true) && !for_nothing
}

/// Whether the files of the running kernel stay what they are.
///
/// # Errors
/// What to wait for: a way back, or an agent that says what a new kernel would be.
pub(crate) fn leaves_a_way_back(
    changes: &[PackageChange],
    facts: &PackageFacts,
) -> Result<(), WaitingOn> {
    let mut of_a_kernel = changes.iter().filter(|c| is_booted(c.name.as_str()));
    let (Some(own), Some(_)) = (&facts.kernel, &facts.arriving) else {
        let fact = FactName::Packages;
        return match of_a_kernel.next() {
            Some(_) => Err(WaitingOn::MissingFact { fact }),
            None => Ok(()),
        };
    };
    let running = format!("-{}", own.running);
    let replaces = |c: &&PackageChange| {
        c.name.as_str().ends_with(&running) && c.from.is_some() && c.from.as_ref() != Some(&c.to)
    };
    match of_a_kernel.find(replaces) {
        None => Ok(()),
        Some(c) => Err(WaitingOn::NoWayBack {
            why: format!(
                "{} {} would replace the files of the kernel that runs ({}), and nothing that is \
                 known to boot would be left; reboot the server into another installed kernel first",
                c.name, c.to, own.running
            ),
        }),
    }
}
