//! A new rollout: read, and checked against all that is known. A no creates nothing.

use std::collections::BTreeSet;

use h8lio_model::lifecycle::Admission;
use h8lio_model::rollout::{RolloutSpec, Selector};
use h8lio_planner::Rollout;
use h8lio_planner::admit::{NotAdmitted, admit};
use h8lio_planner::inventory::{Inventory, NodeFacts};
use jiff::Timestamp;
use tonic::Status;

use crate::maintenance::Snapshot;
use crate::maintenance::rollouts::{ControlRecord, RolloutRecord, Stored};

/// Names shown of each kind when a selection finds nobody.
const SHOWN: usize = 12;

/// What somebody asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) spec: RolloutSpec,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

impl Wish {
    /// What would be stored of it.
    pub(super) fn record(&self) -> RolloutRecord {
        RolloutRecord {
            spec: self.spec.clone(),
            created_at: self.at,
            created_by: self.by.clone(),
            reason: self.reason.clone(),
            control: ControlRecord::default(),
        }
    }
}

/// Why a rollout is not taken in.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    #[error("the specification of the rollout cannot be read: {0}")]
    Unreadable(serde_path_to_error::Error<serde_json::Error>),
    #[error("the specification of the rollout is no JSON")]
    NoJson(#[source] serde_json::Error),
    #[error(
        "rollout {name} exists with another specification ({}); names are never used twice, choose another one, \
         or look at it: h8lctl rollout show {name}",
        differs.join(", ")
    )]
    Exists {
        name: String,
        /// The keys that differ.
        differs: Vec<String>,
    },
    #[error("no enrolled node is selected by {selector}; {there_is}")]
    NobodySelected {
        selector: Selector,
        there_is: String,
    },
    #[error(
        "the coordinator has not looked at its nodes yet{}; ask again in a moment",
        frozen.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    NotLooked { frozen: Option<String> },
    #[error("there is no health check called {name:?}; {there_is}")]
    UnknownHealthCheck { name: String, there_is: String },
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
}

impl From<NotTaken> for Status {
    fn from(no: NotTaken) -> Self {
        let text = super::status::chain(&no);
        match no {
            NotTaken::Exists { .. } => Self::already_exists(text),
            NotTaken::NotLooked { .. } => Self::unavailable(text),
            _ => Self::invalid_argument(text),
        }
    }
}

/// Reads a specification. What is wrong with it is named with its place.
pub(super) fn read(bytes: &[u8]) -> Result<RolloutSpec, NotTaken> {
    // By way of a value: positions in a text that no operator has written help nobody.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(NotTaken::NoJson)?;
    serde_path_to_error::deserialize(value).map_err(NotTaken::Unreadable)
}

/// The rollout of that name, if it is the same one.
pub(super) fn same<'a>(
    known: Option<&'a Stored>,
    spec: &RolloutSpec,
) -> Result<Option<&'a Stored>, NotTaken> {
    match known {
        Some(stored) if stored.record.spec != *spec => Err(NotTaken::Exists {
            name: spec.name.to_string(),
            differs: differences(&stored.record.spec, spec),
        }),
        known => Ok(known),
    }
}

/// Which keys of two specifications differ, as JSON names them.
fn differences(a: &RolloutSpec, b: &RolloutSpec) -> Vec<String> {
    let json = |spec| serde_json::to_value(spec).unwrap_or_default();
    let (a, b) = (json(a), json(b));
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else {
        return Vec::new();
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = keys.into_iter().filter(|k| a.get(*k) != b.get(*k));
    differ.cloned().collect()
}

/// What a new rollout is checked against.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) existing: &'a [Rollout],
    /// Health checks of the configuration.
    pub(super) health_checks: &'a BTreeSet<String>,
    /// Whether the fleet has nodes, as the registry knows it.
    pub(super) has_nodes: bool,
}

/// Checks a specification that is not known yet against fleet, policy, calendar and health checks.
pub(super) fn check(wish: &Wish, known: &Known<'_>) -> Result<Rollout, NotTaken> {
    let (spec, snapshot) = (&wish.spec, known.snapshot);
    let mut checks = spec.health_checks.iter();
    if let Some(unknown) = checks.find(|name| !known.health_checks.contains(*name)) {
        let known: Vec<&str> = known.health_checks.iter().map(String::as_str).collect();
        return Err(NotTaken::UnknownHealthCheck {
            name: unknown.clone(),
            there_is: match known.is_empty() {
                true => "the coordinator's configuration names none".to_owned(),
                false => format!("there are: {}", known.join(", ")),
            },
        });
    }
    if snapshot.inventory.nodes.is_empty() && known.has_nodes {
        return Err(NotTaken::NotLooked {
            frozen: snapshot.frozen.clone(),
        });
    }
    let admitted = admit(
        spec.clone(),
        known.existing,
        &snapshot.inventory,
        &snapshot.policy,
        jiff::tz::db(),
        wish.at,
    );
    admitted.map_err(|no| match no {
        NotAdmitted::NobodySelected(_) => NotTaken::NobodySelected {
            selector: spec.selector.clone(),
            there_is: there_is(&snapshot.inventory),
        },
        no => no.into(),
    })
}

/// What could have been selected.
fn there_is(inventory: &Inventory) -> String {
    let enrolled: Vec<&NodeFacts> = inventory
        .nodes
        .values()
        .filter(|n| n.admission == Admission::Enrolled)
        .collect();
    if enrolled.is_empty() {
        return "no node is enrolled".to_owned();
    }
    let names = of(&enrolled, |n| vec![format!("name={}", n.name)]);
    let roles = of(&enrolled, |n| {
        let roles = n.roles.iter().map(|r| format!("role={r}"));
        roles.collect()
    });
    let racks = of(&enrolled, |n| {
        let place = n.topology.iter();
        place.map(|t| format!("rack={}", t.rack)).collect()
    });
    let labels = of(&enrolled, |n| {
        let labels = n.labels.iter();
        labels.map(|(k, v)| format!("label:{k}={v}")).collect()
    });
    let kinds: Vec<String> = [names, roles, racks, labels]
        .into_iter()
        .flatten()
        .collect();
    format!("there are {}", kinds.join(", "))
}

fn of(nodes: &[&NodeFacts], terms: impl Fn(&NodeFacts) -> Vec<String>) -> Option<String> {
    let all: BTreeSet<String> = nodes.iter().flat_map(|n| terms(n)).collect();
    let more = all.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = all.into_iter().take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("{more} more of this kind"));
    }
    (!shown.is_empty()).then(|| shown.join(", "))
}
