//! Conditions that the agent raised or cleared.

use std::collections::BTreeMap;

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::event::Severity;

use super::super::inventory::{phrase, quoted};
use super::Events;
use super::reason::Reason;

type Key<'a> = (ConditionType, &'a str);

/// How grave it is that a condition of this type is raised. docs/conditions.md repeats it.
pub(super) const fn severity(kind: ConditionType) -> Severity {
    match kind {
        ConditionType::ForeignManager
        | ConditionType::RebootRequired
        | ConditionType::SecurityUpdatesPending
        | ConditionType::PackageIndexStale => Severity::Info,
        ConditionType::ProbeFailed
        | ConditionType::ClockUnsynchronized
        | ConditionType::DiskHealthUnknown
        | ConditionType::LinkDegraded
        | ConditionType::BondDegraded
        | ConditionType::PackagesBroken
        | ConditionType::RuntimeNotReady
        | ConditionType::KubeletNotReady
        | ConditionType::OsdDown
        | ConditionType::FilesystemPressure
        | ConditionType::MemoryPressure
        | ConditionType::CertificateNotRenewed => Severity::Warning,
        ConditionType::DiskFailing
        | ConditionType::StateDirUnwritable
        | ConditionType::IdentityCloned
        | ConditionType::AuditLogRewritten => Severity::Alert,
    }
}

/// One summary of what stands at the first report; nothing when all is well.
pub(super) fn first(conditions: &[Condition], out: &mut Events) {
    let raised: Vec<&Condition> = index(conditions)
        .into_values()
        .filter(|c| c.status == Status::True)
        .collect();
    let Some(gravest) = raised.iter().map(|c| severity(c.kind)).max() else {
        return;
    };
    let named: Vec<String> = raised.iter().take(5).map(|c| name(c)).collect();
    let more = if raised.len() > named.len() {
        ", …"
    } else {
        ""
    };
    let message = format!(
        "{} conditions stand at the first report: {}{more}",
        raised.len(),
        named.join(", ")
    );
    out.push(gravest, Reason::ConditionsAtFirstReport, message);
}

pub(super) fn diff(old: &[Condition], new: &[Condition], out: &mut Events) {
    let (old, new) = (index(old), index(new));
    for (key, now) in &new {
        let before = old.get(key).map_or(Status::False, |c| c.status);
        changed(before, now, out);
    }
    for (key, before) in &old {
        if !new.contains_key(key) && before.status != Status::False {
            cleared(before, out);
        }
    }
}

/// By type and subject; of several with one key the worst counts.
fn index(conditions: &[Condition]) -> BTreeMap<Key<'_>, &Condition> {
    const fn rank(status: Status) -> u8 {
        match status {
            Status::False => 0,
            Status::Unknown => 1,
            Status::True => 2,
        }
    }
    let mut map: BTreeMap<Key<'_>, &Condition> = BTreeMap::new();
    for c in conditions {
        let worst = map.entry(c.key()).or_insert(c);
        if rank(c.status) > rank(worst.status) {
            *worst = c;
        }
    }
    map
}

fn changed(before: Status, now: &Condition, out: &mut Events) {
    let severity = severity(now.kind);
    let (what, why) = (name(now), phrase(&now.message));
    match (before, now.status) {
        (Status::False | Status::Unknown, Status::True) => {
            let message = format!("{what} raised: {}: {why}", quoted(&now.reason));
            out.push(severity, Reason::ConditionRaised, message);
        }
        (Status::True, Status::Unknown) => {
            let message = format!("{what} was raised and can no longer be told: {why}");
            out.push(
                severity.min(Severity::Warning),
                Reason::ConditionUnknown,
                message,
            );
        }
        (Status::False, Status::Unknown) => {
            let message = format!("{what} cannot be told: {why}");
            out.info(Reason::ConditionUnknown, message);
        }
        (Status::True | Status::Unknown, Status::False) => cleared(now, out),
        (Status::False, Status::False)
        | (Status::True, Status::True)
        | (Status::Unknown, Status::Unknown) => {}
    }
}

fn cleared(condition: &Condition, out: &mut Events) {
    out.info(
        Reason::ConditionCleared,
        format!("{} cleared", name(condition)),
    );
}

fn name(condition: &Condition) -> String {
    let kind = condition.kind.name();
    if condition.subject.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} of {}", quoted(&condition.subject))
    }
}
