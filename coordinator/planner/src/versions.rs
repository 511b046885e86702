//! From "security" to versions: once for the rollout, then for each node what of it is its own.

use std::collections::BTreeSet;

use h8lio_model::inventory::{PackageFacts, UpgradablePackage};
use h8lio_model::kernel::{is_booted, is_kernel};
use h8lio_model::order::{Act, OnFailure, PackageChange, PatchTarget, RebootWish};
use h8lio_model::plan::{FactName, ResolvedPackage, WaitingOn};
use h8lio_model::rollout::RolloutTarget;

use h8lio_model::ids::BootId;

use crate::kernels;

/// Packages of these names begin with what other domains look after. Rollouts of the operating
/// system leave them alone unless they are named.
const LEFT_ALONE: &[&str] = &[
    "ceph",
    "rados",
    "librados",
    "librbd",
    "cephadm",
    "containerd",
    "docker",
    "runc",
    "cri-",
    "kubelet",
    "kubeadm",
    "kubectl",
    "kubernetes",
    "etcd",
];

/// What runs in every process or as the first one: an older version cannot safely come back.
const FORWARD_ONLY: &[&str] = &[
    "systemd",
    "libsystemd",
    "udev",
    "libudev",
    "libc6",
    "ceph",
    "etcd",
];

/// What only a boot brings into use, besides kernels.
const NEEDS_A_BOOT: &[&str] = &[
    "systemd",
    "libc6",
    "dbus",
    "intel-microcode",
    "amd64-microcode",
];

fn begins(name: &str, with: &[&str]) -> bool {
    with.iter().any(|prefix| name.starts_with(prefix))
}

/// The name without `:architecture`.
pub(crate) fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
}

/// Whether the target means this update.
pub(crate) fn is_meant(target: &RolloutTarget, package: &UpgradablePackage) -> bool {
    let name = bare(&package.name);
    match target {
        RolloutTarget::Security => package.security && !begins(name, LEFT_ALONE),
        RolloutTarget::All => !begins(name, LEFT_ALONE),
        RolloutTarget::Kernel => is_kernel(name),
        RolloutTarget::Packages(names) => names.iter().any(|n| n.as_str() == name),
        RolloutTarget::RebootOnly => false,
    }
}

/// Whether the target could mean a package of which nothing but its name is known.
pub(crate) fn may_mean(target: &RolloutTarget, name: &str) -> bool {
    match target {
        RolloutTarget::Security | RolloutTarget::All => !begins(name, LEFT_ALONE),
        RolloutTarget::Kernel => is_kernel(name),
        RolloutTarget::Packages(names) => names.iter().any(|n| n.as_str() == name),
        RolloutTarget::RebootOnly => false,
    }
}

fn needs_a_boot(name: &str) -> bool {
    begins(name, NEEDS_A_BOOT) || is_booted(name)
}

/// Whether the target may boot a node, whatever else it means there.
pub(crate) fn may_boot(target: &RolloutTarget) -> bool {
    match target {
        RolloutTarget::Security
        | RolloutTarget::All
        | RolloutTarget::Kernel
        | RolloutTarget::RebootOnly => true,
        RolloutTarget::Packages(names) => names.iter().any(|n| needs_a_boot(n.as_str())),
    }
}

/// One update as a row of the rollout's versions. `None` for a name or version that no package
/// manager would take.
pub(crate) fn row(release: &str, package: &UpgradablePackage) -> Option<ResolvedPackage> {
    row_of(
        release,
        &package.name,
        &package.architecture,
        &package.candidate,
    )
}

pub(crate) fn row_of(
    release: &str,
    name: &str,
    architecture: &str,
    to: &str,
) -> Option<ResolvedPackage> {
    Some(ResolvedPackage {
        release: release.to_owned(),
        name: bare(name).parse().ok()?,
        architecture: architecture.parse().ok()?,
        to: to.parse().ok()?,
    })
}

/// What is to be done on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) patch: Option<PatchTarget>,
    pub(crate) reboot: Option<RebootWish>,
    pub(crate) act: Act,
    pub(crate) on_failure: OnFailure,
}

/// The node's own part of the rollout. `Ok(None)`: nothing of it concerns it.
pub(crate) fn work(
    target: &RolloutTarget,
    resolved: &[ResolvedPackage],
    release: &str,
    facts: &PackageFacts,
    boot: BootId,
) -> Result<Option<Work>, WaitingOn> {
    let mut changes = Vec::new();
    for package in facts.upgradable.iter().flatten() {
        if is_meant(target, package)
            && let Some(change) = change(target, resolved, release, facts, package)?
        {
            changes.push(change);
        }
    }
    for package in kernels::arriving(target, facts) {
        changes.extend(kernels::change(resolved, release, package)?);
    }
    kernels::leaves_a_way_back(&changes, facts)?;
    let names = || changes.iter().map(|c| c.name.as_str());
    let needs_boot = names().any(needs_a_boot);
    let kernel = kernels::wished(&changes, facts);
    let forward = names().any(|n| begins(n, FORWARD_ONLY));
    let wants_boot = match target {
        RolloutTarget::RebootOnly => true,
        RolloutTarget::Packages(_) => needs_boot,
        // What was installed earlier comes into use with the same reboot.
        _ => needs_boot || kernels::asks_for_a_boot(facts),
    };
    if changes.is_empty() && !wants_boot {
        return Ok(None);
    }
    let act = match changes.is_empty() {
        true => Act::Reboot,
        false => Act::Patch,
    };
    let version = |_| WaitingOn::MissingFact {
        fact: FactName::Packages,
    };
    Ok(Some(Work {
        patch: match act {
            Act::Patch => Some(PatchTarget::new(changes).map_err(version)?),
            Act::Reboot => None,
        },
        reboot: wants_boot.then_some(RebootWish {
            boot_id_not: boot,
            kernel,
        }),
        act,
        on_failure: match forward {
            true => OnFailure::Halt,
            false => OnFailure::FallBackOnce,
        },
    }))
}

fn change(
    target: &RolloutTarget,
    resolved: &[ResolvedPackage],
    release: &str,
    facts: &PackageFacts,
    package: &UpgradablePackage,
) -> Result<Option<PackageChange>, WaitingOn> {
    let unreadable = WaitingOn::MissingFact {
        fact: FactName::Packages,
    };
    let offered = row(release, package).ok_or(unreadable.clone())?;
    let same = |r: &&ResolvedPackage| {
        r.release == release && r.name == offered.name && r.architecture == offered.architecture
    };
    let versions: BTreeSet<_> = resolved.iter().filter(same).map(|r| &r.to).collect();
    let to = match versions.len() {
        // It appeared after the versions were settled, and is the next rollout's.
        0 => return Ok(None),
        _ if versions.contains(&offered.to) => offered.to,
        1 => (*versions.first().expect("one")).clone(),
        _ => {
            let fact = FactName::Version;
            return Err(WaitingOn::MissingFact { fact });
        }
    };
    let is_it = |held: &String| {
        let (name, architecture) = held.split_once(':').unwrap_or((held, ""));
        let of_it = architecture.is_empty() || architecture == offered.architecture.as_str();
        name == offered.name.as_str() && of_it
    };
    if facts.held.iter().any(is_it) {
        return match target {
            RolloutTarget::Packages(_) => Err(WaitingOn::PackageHeld {
                package: offered.name.to_string(),
            }),
            // Held back on purpose, and not asked for by name.
            _ => Ok(None),
        };
    }
    Ok(Some(PackageChange {
        name: offered.name,
        architecture: offered.architecture,
        from: Some(package.installed.parse().map_err(|_| unreadable)?),
        to,
    }))
}
