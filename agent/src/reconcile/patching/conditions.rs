//! What is wrong with packages.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{BrokenPackage, PackageFacts, RebootReason};
use jiff::{SignedDuration, Timestamp};

use crate::words::{list, plain};

/// An index older than this is stale: 7 days. Distributions publish security updates daily.
const STALE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Conditions of packages, `since` and `observed_at` being `now`. A server without a known
/// package manager gets none of them; the problem beside its facts says why.
pub fn conditions(facts: &PackageFacts, now: Timestamp) -> Vec<Condition> {
    let mut out = Vec::new();
    let mut push = |kind, verdict: Option<(Status, &str, String)>| {
        out.extend(verdict.map(|(status, reason, message)| Condition {
            kind,
            status,
            reason: reason.to_owned(),
            subject: String::new(),
            message,
            since: now,
            observed_at: now,
        }));
    };
    if facts.manager.is_some() {
        push(ConditionType::PackagesBroken, broken(facts));
        push(ConditionType::SecurityUpdatesPending, security(facts));
        push(ConditionType::PackageIndexStale, index(facts, now));
        push(ConditionType::RebootRequired, reboot(facts));
    }
    out
}

type Verdict = Option<(Status, &'static str, String)>;

fn broken(facts: &PackageFacts) -> Verdict {
    let names: Vec<_> = facts.broken.iter().map(described).collect();
    let interrupted = facts.interrupted == Some(true);
    if !facts.busy.is_empty() && !names.is_empty() {
        return Some((
            Status::Unknown,
            "InProgress",
            format!(
                "{} is at work; half-done for now: {}",
                list(&facts.busy, 2),
                list(&names, 4)
            ),
        ));
    }
    if facts.installed.is_none() {
        return Some((
            Status::Unknown,
            "DatabaseUnknown",
            "the package database could not be read; see the failed probes".to_owned(),
        ));
    }
    match (interrupted, names.is_empty()) {
        (false, true) => None,
        (true, true) => Some((
            Status::True,
            "Interrupted",
            "dpkg was interrupted: run `dpkg --configure -a`, then `apt-get -f install`".to_owned(),
        )),
        (_, false) => Some((
            Status::True,
            if interrupted {
                "Interrupted"
            } else {
                "HalfDone"
            },
            format!(
                "{} packages need repair: {}; run `dpkg --configure -a`, then `apt-get -f install`",
                names.len(),
                list(&names, 4)
            ),
        )),
    }
}

fn described(package: &BrokenPackage) -> String {
    format!("{} ({})", plain(&package.name), plain(&package.state))
}

fn security(facts: &PackageFacts) -> Verdict {
    let Some(upgradable) = &facts.upgradable else {
        return Some((
            Status::Unknown,
            "UpgradesUnknown",
            "it cannot be told which updates wait; see the failed probes".to_owned(),
        ));
    };
    let names: Vec<_> = upgradable
        .iter()
        .filter(|p| p.security)
        .map(|p| p.name.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        (
            Status::True,
            "UpdatesWait",
            format!("{} security updates wait: {}", names.len(), list(&names, 4)),
        )
    })
}

fn index(facts: &PackageFacts, now: Timestamp) -> Verdict {
    let Some(at) = facts.index_updated_at else {
        return Some((
            Status::Unknown,
            "NoIndex",
            "there is no package index, or its age cannot be told: run `apt-get update`".to_owned(),
        ));
    };
    let age = now.duration_since(at);
    (age > STALE).then(|| {
        (
            Status::True,
            "NotRefreshed",
            format!(
                "the package index was last refreshed {} days ago: check the mirror and run \
                 `apt-get update`",
                age.as_hours() / 24
            ),
        )
    })
}

fn reboot(facts: &PackageFacts) -> Verdict {
    let reasons = &facts.reboot_required.reasons;
    match facts.reboot_required.required {
        Some(true) => {
            let told: Vec<_> = reasons.iter().map(because).collect();
            let word = reasons.first().map_or("Required", word);
            Some((
                Status::True,
                word,
                format!("a reboot is required: {}", told.join("; ")),
            ))
        }
        Some(false) => None,
        None => Some((
            Status::Unknown,
            "SourcesUnknown",
            "it cannot be told whether a reboot is required; see the failed probes".to_owned(),
        )),
    }
}

fn word(reason: &RebootReason) -> &'static str {
    match reason {
        RebootReason::Kernel { .. } => "Kernel",
        RebootReason::Sentinel { .. } => "Sentinel",
        RebootReason::Microcode { .. } => "Microcode",
        RebootReason::InitLibraries { .. } => "InitLibraries",
    }
}

fn because(reason: &RebootReason) -> String {
    match reason {
        RebootReason::Kernel { running, installed } if running == installed => {
            format!("kernel {} was rebuilt", plain(running))
        }
        RebootReason::Kernel { running, installed } => format!(
            "kernel {} runs and {} is installed",
            plain(running),
            plain(installed)
        ),
        RebootReason::Sentinel { packages } if packages.is_empty() => {
            "/run/reboot-required exists".to_owned()
        }
        RebootReason::Sentinel { packages } => {
            format!("/run/reboot-required names {}", list(packages, 3))
        }
        RebootReason::Microcode { loaded, installed } => format!(
            "microcode {} is loaded and {} is installed",
            plain(loaded),
            plain(installed)
        ),
        RebootReason::InitLibraries { libraries } => {
            format!("process 1 uses replaced {}", list(libraries, 2))
        }
    }
}
