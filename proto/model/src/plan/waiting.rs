use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{NodeName, RolloutName};
use crate::inventory::{Domain, DomainMode};
use crate::lifecycle::{Admission, Availability};
use crate::order::Outcome;

/// A "no": what it waits for, since when, and when it may end where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub on: WaitingOn,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Timestamp>,
}

/// A fact that a gate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FactName {
    Boot,
    Release,
    Packages,
    Workload,
    Managers,
    Orders,
    Topology,
    WayBack,
    Version,
    PackageIndex,
}

impl FactName {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "its boot id",
            Self::Release => "its distribution's release",
            Self::Packages => "its packages",
            Self::Workload => "what runs on it (OSDs, mon, etcd, kubelet)",
            Self::Managers => "who manages it",
            Self::Orders => "what it does with its orders",
            Self::Topology => "where it stands (rack, zone)",
            Self::WayBack => "whether its previous kernel can be booted again",
            Self::PackageIndex => "what its repositories offer (its package index)",
            Self::Version => "which of the rollout's versions is its own",
        }
    }
}

/// What a fact must be newer than.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    Boot,
    Attempt,
}

impl Change {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "its last boot",
            Self::Attempt => "the end of its last attempt",
        }
    }
}

/// Something on a server that only a hook can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tenant {
    Osd,
    Mon,
    Etcd,
    Kubelet,
}

impl Tenant {
    /// The word used in JSON and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Osd => "an OSD",
            Self::Mon => "a Ceph mon",
            Self::Etcd => "an etcd member",
            Self::Kubelet => "a kubelet",
        }
    }
}

/// Why another node counts as not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Absence {
    /// It has a slot.
    Slot,
    /// It is not heard, or just came back.
    NotOnline,
    /// An operator took it out of service.
    InMaintenance,
}

/// Why nothing is done. Each says what would have to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "is")]
pub enum WaitingOn {
    // The whole fleet.
    FrozenCoordinator {
        because: String,
    },
    // The rollout.
    Paused {
        by: String,
    },
    Cancelled {
        by: String,
    },
    FailureThreshold {
        failed: u32,
        threshold: u32,
    },
    KeptSlot {
        node: NodeName,
        outcome: Outcome,
    },
    Window {
        next: Option<Timestamp>,
    },
    Freeze {
        name: String,
        until: Option<Timestamp>,
    },
    HealthCheck {
        name: String,
        says: String,
    },
    /// It was last asked before a node was changed for the last time.
    HealthCheckUnasked {
        name: String,
        since: Timestamp,
    },
    CanarySoak {
        until: Timestamp,
    },
    Soak {
        wave: u32,
        until: Timestamp,
    },
    Wave {
        current: u32,
        mine: u32,
    },
    OtherRollout {
        rollout: RolloutName,
    },
    DeadlineImpossible {
        deadline: Timestamp,
        finish: Option<Timestamp>,
        because: String,
    },
    // Its place among others.
    Quota {
        constraint: String,
        domain: String,
        limit: u32,
        taken: u32,
    },
    DomainTaken {
        constraint: String,
        domain: String,
        by: NodeName,
        absence: Absence,
    },
    QuorumTogether {
        constraint: String,
        by: NodeName,
    },
    QuorumLast {
        constraint: String,
        remaining: u32,
    },
    After {
        constraint: String,
        remaining: u32,
    },
    // The node itself.
    NotEnrolled {
        admission: Admission,
    },
    Restricted {
        how: String,
    },
    NotOnline {
        availability: Availability,
    },
    InMaintenance {
        by: String,
    },
    StaleFact {
        fact: FactName,
        age: SignedDuration,
        limit: SignedDuration,
    },
    MissingFact {
        fact: FactName,
    },
    /// It was read before something that may have changed it, however fresh it is.
    OutdatedFact {
        fact: FactName,
        before: Change,
    },
    NoOracle {
        tenant: Tenant,
    },
    Oracle {
        tenant: Tenant,
        says: String,
    },
    ForeignManager {
        domain: Domain,
        name: String,
    },
    NotAllowedToAct {
        domain: Domain,
        mode: DomainMode,
    },
    PackagesBroken {
        package: String,
        state: String,
    },
    PackageManagerBusy {
        by: String,
    },
    PackageHeld {
        package: String,
    },
    HeldAfterFallback {
        package: String,
        since: Timestamp,
    },
    /// Its agent is an older release than one that ran there before.
    OlderAgent {
        version: String,
        before: String,
    },
    /// Somebody else changed packages that its order rested on, so its ticket was taken back.
    ChangedByHand,
    NoWayBack {
        why: String,
    },
    TerminalState {
        step: Option<String>,
    },
    Withdrawal,
    UnknownEnd,
    /// It was decommissioned, or is not in the inventory, and its slot stands.
    LeftTheFleet {
        node: NodeName,
    },
    PersonsWord {
        outcome: Outcome,
    },
}

impl WaitingOn {
    /// CamelCase word for programs: the variant's name.
    pub fn word(&self) -> String {
        let debug = format!("{self:?}");
        let end = debug.find(|c: char| !c.is_ascii_alphanumeric());
        debug[..end.unwrap_or(debug.len())].to_owned()
    }

    /// What makes two reasons the same reason, so that its age survives planning again.
    pub fn key(&self) -> String {
        let word = self.word();
        match self {
            Self::Quota {
                constraint, domain, ..
            } => format!("{word}/{constraint}/{domain}"),
            Self::DomainTaken {
                constraint,
                domain,
                by,
                ..
            } => {
                format!("{word}/{constraint}/{domain}/{by}")
            }
            Self::QuorumTogether { constraint, by } => format!("{word}/{constraint}/{by}"),
            Self::QuorumLast { constraint, .. } | Self::After { constraint, .. } => {
                format!("{word}/{constraint}")
            }
            Self::StaleFact { fact, .. }
            | Self::MissingFact { fact }
            | Self::OutdatedFact { fact, .. } => format!("{word}/{fact:?}"),
            Self::Soak { wave, .. } => format!("{word}/{wave}"),
            Self::HealthCheck { name, .. }
            | Self::HealthCheckUnasked { name, .. }
            | Self::Freeze { name, .. } => format!("{word}/{name}"),
            Self::OtherRollout { rollout } => format!("{word}/{rollout}"),
            Self::KeptSlot { node, .. } | Self::LeftTheFleet { node } => format!("{word}/{node}"),
            Self::NoOracle { tenant } | Self::Oracle { tenant, .. } => format!("{word}/{tenant:?}"),
            Self::NotOnline { availability } => format!("{word}/{availability}"),
            Self::ForeignManager { domain, name } => format!("{word}/{domain}/{name}"),
            Self::PackagesBroken { package, .. } | Self::PackageHeld { package } => {
                format!("{word}/{package}")
            }
            _ => word,
        }
    }
}
