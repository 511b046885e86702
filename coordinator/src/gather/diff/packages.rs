//! Installed software and what waits.

use std::collections::BTreeSet;

use h8lio_model::inventory::{PackageFacts, RebootReason, UpgradablePackage};

use super::super::inventory::quoted;
use super::Events;
use super::reason::Reason;

/// Names listed in one message.
const NAMED: usize = 5;

pub(super) fn diff(old: &PackageFacts, new: &PackageFacts, out: &mut Events) {
    security(old, new, out);
    broken(old, new, out);
    reboot(old, new, out);
}

fn security(old: &PackageFacts, new: &PackageFacts, out: &mut Events) {
    let Some(now) = &new.upgradable else { return };
    let before: BTreeSet<_> = waiting(old.upgradable.iter().flatten()).collect();
    let now: BTreeSet<_> = waiting(now).collect();
    let mut fresh: Vec<&str> = now.difference(&before).map(|(name, ..)| *name).collect();
    // One name for all its architectures; the set is sorted by name.
    fresh.dedup();
    if !fresh.is_empty() {
        let names = some_of(fresh.iter().copied());
        let unknown = match old.upgradable {
            Some(_) => "",
            None => "; what waited before is not known",
        };
        out.info(
            Reason::SecurityUpdatesAppeared,
            format!(
                "{} new security updates: {names} ({} wait in all{unknown})",
                fresh.len(),
                now.len()
            ),
        );
    } else if now.is_empty() && !before.is_empty() {
        let message = format!("no security update waits any more ({} did)", before.len());
        out.info(Reason::SecurityUpdatesCleared, message);
    }
}

/// The security updates: name, architecture, version offered.
fn waiting<'a>(
    packages: impl IntoIterator<Item = &'a UpgradablePackage>,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    let security = packages.into_iter().filter(|p| p.security);
    security.map(|p| {
        (
            p.name.as_str(),
            p.architecture.as_str(),
            p.candidate.as_str(),
        )
    })
}

/// Packages left half done. While a package manager works that is normal, so nothing is said then
/// and what was seen then is not remembered: what is still half done afterwards counts as new.
fn broken(old: &PackageFacts, new: &PackageFacts, out: &mut Events) {
    if !new.busy.is_empty() {
        return;
    }
    let (before, now) = (left(old), left(new));
    let fresh: Vec<&String> = now.difference(&before).collect();
    if !fresh.is_empty() {
        let names = some_of(fresh.iter().map(|s| s.as_str()));
        let message = format!("package work was left half done: {names}");
        out.warning(Reason::PackagesBroken, message);
    } else if now.is_empty() && !before.is_empty() && new.installed.is_some() {
        let names = some_of(before.iter().map(String::as_str));
        let message = format!("no package work is left half done any more (was: {names})");
        out.info(Reason::PackagesRepaired, message);
    }
}

/// What is half done, by name and state.
fn left(facts: &PackageFacts) -> BTreeSet<String> {
    if !facts.busy.is_empty() {
        return BTreeSet::new();
    }
    let broken = facts.broken.iter();
    let mut left: BTreeSet<String> = broken.map(|p| format!("{} {}", p.name, p.state)).collect();
    if facts.interrupted == Some(true) {
        left.insert("dpkg itself".to_owned());
    }
    left
}

fn reboot(old: &PackageFacts, new: &PackageFacts, out: &mut Events) {
    match (old.reboot_required.required, new.reboot_required.required) {
        (Some(false) | None, Some(true)) => {
            let reasons = &new.reboot_required.reasons;
            let why: Vec<String> = reasons.iter().take(NAMED).map(reason).collect();
            let why = match why.is_empty() {
                true => "no reason is given".to_owned(),
                false => why.join("; "),
            };
            out.info(
                Reason::RebootBecameRequired,
                format!("a reboot is required: {why}"),
            );
        }
        (Some(true), Some(false)) => {
            out.info(
                Reason::RebootNoLongerRequired,
                "a reboot is no longer required",
            );
        }
        _ => {}
    }
}

fn reason(reason: &RebootReason) -> String {
    let list = |names: &[String]| some_of(names.iter().map(String::as_str));
    match reason {
        RebootReason::Kernel { running, installed } => {
            format!(
                "kernel {} runs, {} is installed",
                quoted(running),
                quoted(installed)
            )
        }
        RebootReason::Sentinel { packages } => format!("asked for by {}", list(packages)),
        RebootReason::Microcode { loaded, installed } => {
            format!(
                "microcode {} is loaded, {} is installed",
                quoted(loaded),
                quoted(installed)
            )
        }
        RebootReason::InitLibraries { libraries } => {
            format!("process 1 uses replaced libraries: {}", list(libraries))
        }
    }
}

/// The first few names, and how many more there are.
fn some_of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).map(quoted).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
