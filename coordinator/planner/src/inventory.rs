//! What is known of each node, each fact with its age. A fact that is missing or too old is a no.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::{BootId, NodeId, NodeName};
use h8lio_model::inventory::{ManagerFacts, PackageFacts};
use h8lio_model::labels::Labels;
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::OrderReport;
use h8lio_model::plan::{Absence, FactName, Tenant, WaitingOn};
use h8lio_model::release::Release;
use h8lio_model::role::Role;
use h8lio_model::rollout::Selector;
use h8lio_model::topology::Topology;
use jiff::{SignedDuration, Timestamp};

/// A fact and when it was last confirmed, by the coordinator's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact<T> {
    pub value: T,
    pub observed_at: Timestamp,
}

impl<T> Fact<T> {
    pub const fn new(value: T, observed_at: Timestamp) -> Self {
        Self { value, observed_at }
    }
}

/// Reads a fact for a gate.
///
/// # Errors
/// The reason to wait when it is missing, older than `limit`, or from the future by more than that.
pub fn fresh<T>(
    fact: Option<&Fact<T>>,
    name: FactName,
    now: Timestamp,
    limit: SignedDuration,
) -> Result<&T, WaitingOn> {
    let fact = fact.ok_or(WaitingOn::MissingFact { fact: name })?;
    let age = now.duration_since(fact.observed_at);
    if age.abs() > limit {
        return Err(WaitingOn::StaleFact {
            fact: name,
            age,
            limit,
        });
    }
    Ok(&fact.value)
}

/// How the kernel that runs now could be booted again after a newer one failed. `Err` says why
/// there is no way.
pub type WayBack = Result<(), String>;

/// One node as the coordinator knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    pub name: NodeName,
    pub admission: Admission,
    /// `banned` or `quarantined`.
    pub restricted: Option<String>,
    /// What operators want of it, whatever rollouts do in between.
    pub wanted: Scheduling,
    /// Who wanted that, and since when.
    pub wanted_by: Option<(String, Timestamp)>,
    pub availability: Availability,
    pub availability_since: Timestamp,
    pub roles: Vec<Role>,
    pub topology: Option<Topology>,
    pub labels: Labels,
    /// How long its slot is likely to last.
    pub estimate: SignedDuration,
    pub boot: Option<Fact<BootId>>,
    /// Distribution and release, for example `debian/12`.
    pub release: Option<Fact<String>>,
    pub packages: Option<Fact<PackageFacts>>,
    /// What runs on it that must be asked about first.
    pub tenants: Option<Fact<BTreeSet<Tenant>>>,
    pub managers: Option<Fact<ManagerFacts>>,
    pub way_back: Option<Fact<WayBack>>,
    pub orders: Option<Fact<OrderReport>>,
    /// `None`: no session was ever open.
    pub agent: Option<AgentSeen>,
}

/// Releases of the agent, as its sessions said them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSeen {
    /// The last session's.
    pub version: String,
    /// The newest that ever ran on the node.
    pub newest: Release,
}

impl NodeFacts {
    /// Whether the selector means it. Servers that are not enrolled are never meant.
    pub fn is_selected(&self, selector: &Selector) -> bool {
        self.admission == Admission::Enrolled && self.is_described_by(selector)
    }

    fn is_described_by(&self, selector: &Selector) -> bool {
        let topology = self.topology.as_ref();
        selector.selects(&self.name, &self.roles, topology, &self.labels)
    }

    /// Why it counts as not there, apart from slots.
    pub fn absence(&self) -> Option<(Absence, Timestamp)> {
        if self.admission != Admission::Enrolled {
            return None;
        }
        if self.availability != Availability::Online {
            return Some((Absence::NotOnline, self.availability_since));
        }
        let out = matches!(
            self.wanted,
            Scheduling::Draining | Scheduling::InMaintenance
        );
        let since = self.wanted_by.as_ref().map(|(_, at)| *at);
        out.then(|| {
            (
                Absence::InMaintenance,
                since.unwrap_or(self.availability_since),
            )
        })
    }
}

/// All nodes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    pub nodes: BTreeMap<NodeId, NodeFacts>,
}

impl Inventory {
    pub fn get(&self, id: NodeId) -> Option<&NodeFacts> {
        self.nodes.get(&id)
    }

    /// The node's name, or its id when it is not known.
    pub fn name(&self, id: NodeId) -> NodeName {
        let known = self.nodes.get(&id).map(|n| n.name.clone());
        // A UUID in its text form is a valid name.
        known.unwrap_or_else(|| id.to_string().parse().expect("a UUID is a name"))
    }

    /// Nodes that have a place in a set: those that were decommissioned too, since a slot of theirs
    /// takes it until a person has looked.
    pub fn seated(&self, selector: &Selector) -> BTreeSet<NodeId> {
        let seated = self.nodes.iter().filter(|(_, n)| {
            n.is_selected(selector)
                || (n.admission == Admission::Decommissioned && n.is_described_by(selector))
        });
        seated.map(|(id, _)| *id).collect()
    }

    /// Enrolled nodes that the selector means.
    pub fn selected(&self, selector: &Selector) -> BTreeSet<NodeId> {
        let meant = self.nodes.iter().filter(|(_, n)| n.is_selected(selector));
        meant.map(|(id, _)| *id).collect()
    }
}
