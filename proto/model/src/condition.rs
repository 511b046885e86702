//! Conditions: typed health facts with a reason, an age and a place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether a condition holds. `Unknown` is never read as either of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    True,
    False,
    Unknown,
}

/// The kinds of condition. All are *problems*: `True` means that something is wrong, `Unknown`
/// that it cannot be told; `False` is written only where absence itself is worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum ConditionType {
    /// Another manager owns a domain; h8lio refuses to act there.
    ForeignManager,
    /// A collector could not read what it should: tool missing, output not understood, no right.
    ProbeFailed,
    /// The wall clock is not synchronised, or differs from the coordinator's.
    ClockUnsynchronized,
    /// A disk fails or predicts failure.
    DiskFailing,
    /// A disk's health cannot be read.
    DiskHealthUnknown,
    /// A link that should carry traffic does not, or is slower than it can be.
    LinkDegraded,
    /// A bond runs with fewer legs than configured.
    BondDegraded,
    /// dpkg has half-installed or half-configured packages.
    PackagesBroken,
    /// A reboot is needed for installed updates to take effect.
    RebootRequired,
    /// Security updates wait.
    SecurityUpdatesPending,
    /// The package index has not been refreshed for long.
    PackageIndexStale,
    /// The container runtime does not answer or says that it is not ready.
    RuntimeNotReady,
    /// The kubelet does not answer or is not healthy.
    KubeletNotReady,
    /// An OSD of this server does not run.
    OsdDown,
    /// A file system that the agent or the server needs is nearly full.
    FilesystemPressure,
    /// Memory is nearly exhausted.
    MemoryPressure,
    /// The agent cannot write its state directory.
    StateDirUnwritable,
    /// The node certificate is past half its life and could not be renewed.
    CertificateNotRenewed,
    /// Two servers use this identity.
    IdentityCloned,
    /// The coordinator's audit log went back, or holds another entry than it once showed.
    AuditLogRewritten,
}

impl ConditionType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::ForeignManager,
        Self::ProbeFailed,
        Self::ClockUnsynchronized,
        Self::DiskFailing,
        Self::DiskHealthUnknown,
        Self::LinkDegraded,
        Self::BondDegraded,
        Self::PackagesBroken,
        Self::RebootRequired,
        Self::SecurityUpdatesPending,
        Self::PackageIndexStale,
        Self::RuntimeNotReady,
        Self::KubeletNotReady,
        Self::OsdDown,
        Self::FilesystemPressure,
        Self::MemoryPressure,
        Self::StateDirUnwritable,
        Self::CertificateNotRenewed,
        Self::IdentityCloned,
        Self::AuditLogRewritten,
    ];

    /// The name used in JSON, on the wire and in docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignManager => "ForeignManager",
            Self::ProbeFailed => "ProbeFailed",
            Self::ClockUnsynchronized => "ClockUnsynchronized",
            Self::DiskFailing => "DiskFailing",
            Self::DiskHealthUnknown => "DiskHealthUnknown",
            Self::LinkDegraded => "LinkDegraded",
            Self::BondDegraded => "BondDegraded",
            Self::PackagesBroken => "PackagesBroken",
            Self::RebootRequired => "RebootRequired",
            Self::SecurityUpdatesPending => "SecurityUpdatesPending",
            Self::PackageIndexStale => "PackageIndexStale",
            Self::RuntimeNotReady => "RuntimeNotReady",
            Self::KubeletNotReady => "KubeletNotReady",
            Self::OsdDown => "OsdDown",
            Self::FilesystemPressure => "FilesystemPressure",
            Self::MemoryPressure => "MemoryPressure",
            Self::StateDirUnwritable => "StateDirUnwritable",
            Self::CertificateNotRenewed => "CertificateNotRenewed",
            Self::IdentityCloned => "IdentityCloned",
            Self::AuditLogRewritten => "AuditLogRewritten",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name() == name)
    }
}

/// A type as somebody reads it who may be older than who wrote it: what is not known is shown as it
/// is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kind {
    Known(ConditionType),
    /// A name of a newer release; made by [`Kind::read`] alone.
    Other(String),
}

impl Kind {
    /// Reads a type's name. `None` for what can be no such name: one word of at most 64 ASCII letters
    /// and digits.
    pub fn read(name: &str) -> Option<Self> {
        if let Some(known) = ConditionType::from_name(name) {
            return Some(Self::Known(known));
        }
        let plausible =
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        plausible.then(|| Self::Other(name.to_owned()))
    }

    /// The name used in JSON, on the wire and in docs.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Other(name) => name,
        }
    }
}

impl From<ConditionType> for Kind {
    fn from(kind: ConditionType) -> Self {
        Self::Known(kind)
    }
}

impl PartialEq<ConditionType> for Kind {
    fn eq(&self, other: &ConditionType) -> bool {
        matches!(self, Self::Known(kind) if kind == other)
    }
}

/// One health fact about a server. Operators read it with [`Kind`] for its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition<K = ConditionType> {
    #[serde(rename = "type")]
    pub kind: K,
    pub status: Status,
    /// CamelCase word for programs, for example `MediumErrors`.
    pub reason: String,
    /// What it is about, for example a disk's WWN or an interface name; empty for the server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// One sentence for people: the thing, the cause, the next move.
    pub message: String,
    /// When the status last changed.
    pub since: Timestamp,
    /// When the fact behind it was last read.
    pub observed_at: Timestamp,
}

impl Condition {
    /// What makes two observations the same condition: type and subject.
    pub fn key(&self) -> (ConditionType, &str) {
        (self.kind, &self.subject)
    }
}

impl From<Condition> for Condition<Kind> {
    fn from(c: Condition) -> Self {
        Self {
            kind: c.kind.into(),
            status: c.status,
            reason: c.reason,
            subject: c.subject,
            message: c.message,
            since: c.since,
            observed_at: c.observed_at,
        }
    }
}

/// Carries `since` over from `before` for each condition whose type, subject, status and reason
/// stay the same, so that a condition's age survives being observed again. Sorts by key.
pub fn carry_since(before: &[Condition], mut now: Vec<Condition>) -> Vec<Condition> {
    for c in &mut now {
        let same = before
            .iter()
            .find(|b| b.key() == c.key() && b.status == c.status && b.reason == c.reason);
        if let Some(b) = same {
            c.since = b.since.min(c.since);
        }
    }
    now.sort_by(|a, b| a.key().cmp(&b.key()));
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(status: Status, at: i64) -> Condition {
        let at = Timestamp::from_second(at).expect("in range");
        Condition {
            kind: ConditionType::DiskFailing,
            status,
            reason: "MediumErrors".into(),
            subject: "wwn-1".into(),
            message: String::new(),
            since: at,
            observed_at: at,
        }
    }

    #[test]
    fn age_survives_being_observed_again_and_ends_with_a_change_of_status() {
        let before = [failing(Status::True, 10)];
        let same = carry_since(&before, vec![failing(Status::True, 90)]);
        assert_eq!(same[0].since.as_second(), 10);
        assert_eq!(same[0].observed_at.as_second(), 90);
        let changed = carry_since(&before, vec![failing(Status::Unknown, 90)]);
        assert_eq!(changed[0].since.as_second(), 90);
    }

    #[test]
    fn a_type_of_a_newer_release_keeps_its_name_and_what_is_none_is_refused() {
        for kind in ConditionType::ALL {
            assert_eq!(Kind::read(kind.name()), Some(Kind::Known(*kind)));
        }
        let newer = Kind::read("FanStuck2").expect("a name");
        assert_eq!(newer.name(), "FanStuck2");
        let text = serde_json::to_string(&newer).expect("JSON");
        assert_eq!(text, "\"FanStuck2\"");
        assert_eq!(serde_json::from_str::<Kind>(&text).expect("reads"), newer);
        let known = serde_json::from_str::<Kind>("\"OsdDown\"").expect("reads");
        assert_eq!(known, ConditionType::OsdDown);
        for bad in ["", "two words", "esc\u{1b}[2J", "Ünknown", &"x".repeat(65)] {
            assert_eq!(Kind::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn each_type_is_explained_with_its_next_move() {
        const PAGE: &str = include_str!("../../../docs/conditions.md");
        for kind in ConditionType::ALL {
            let name = kind.name();
            let heading = format!("\n## {name}\n");
            let at = PAGE.find(&heading).map(|at| at + heading.len());
            let text = at.map(|at| PAGE[at..].split("\n## ").next().unwrap_or_default());
            let text = text.unwrap_or_else(|| panic!("docs/conditions.md lacks a part on {name}"));
            for part in ["- **Raised**", "- **Cleared**", "- **Next move**"] {
                assert!(text.contains(part), "{name} lacks {part}");
            }
        }
    }
}
