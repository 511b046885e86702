//! Which nodes may be away together: failure domains, quorums, and what operators add.
//!
//! Every node is in at least one set. Who is in none that was declared shares a set of its own
//! with all such nodes, of which one may be away: what nobody said anything about is not safe.

mod load;
mod order;

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::NodeId;
use h8lio_model::rollout::Selector;
use h8lio_model::topology::Topology;

pub use load::{Exceeded, Load, Refusal};

use crate::inventory::{Inventory, NodeFacts};

/// The set of all nodes that no declared set holds.
pub const UNDECLARED: &str = "undeclared";

/// A level of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Region,
    Datacenter,
    Zone,
    Rack,
    Node,
}

/// How many of a set may be away (down or with a slot) at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// So many nodes.
    Nodes(u32),
    /// Nodes of so many failure domains, and within those as many as there are: where the failure
    /// domain is the rack, a whole rack may go at once.
    Domains { level: Level, most: u32 },
    /// In each failure domain so many nodes.
    PerDomain { level: Level, most: u32 },
    /// Members of a quorum: one, and after all other nodes of the rollout.
    Quorum,
}

/// Who is in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    Selected(Selector),
    These(BTreeSet<NodeId>),
}

/// A set as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    pub members: Members,
    pub rule: Rule,
    /// Sets whose nodes must be done, within one rollout, before one of this set is begun.
    pub after: Vec<String>,
}

/// Why sets cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConstraint {
    #[error("constraint {name} is declared twice")]
    Twice { name: String },
    #[error(
        "constraint {name} allows 0 to be away, so nothing could ever be done; use 1 or more, or a freeze"
    )]
    Nobody { name: String },
    #[error("constraint {name} goes after {after}, which is not declared")]
    AfterUnknown { name: String, after: String },
    #[error("constraints wait for one another in a circle: {}", circle.join(" after "))]
    Circle { circle: Vec<String> },
}

/// A node's place in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    pub set: usize,
    pub domain: usize,
}

/// A set with its members found.
#[derive(Debug, Clone)]
pub struct Set {
    pub name: String,
    pub rule: Rule,
    pub after: Vec<usize>,
    pub members: BTreeSet<NodeId>,
    /// Names of the failure domains that its members stand in.
    pub domains: Vec<String>,
}

/// All sets over one inventory. The default: none, over no node.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    sets: Vec<Set>,
    seats: BTreeMap<NodeId, Vec<Seat>>,
}

impl Constraints {
    /// Finds the members of each set.
    ///
    /// # Errors
    /// The first [`BadConstraint`].
    pub fn resolve(declared: &[Declared], inventory: &Inventory) -> Result<Self, BadConstraint> {
        let names = order::names(declared)?;
        let mut sets = Vec::new();
        let mut covered = BTreeSet::new();
        for one in declared {
            let members = match &one.members {
                Members::Selected(selector) => inventory.seated(selector),
                Members::These(ids) => ids.clone(),
            };
            covered.extend(members.iter().copied());
            sets.push(Set {
                name: one.name.clone(),
                rule: one.rule,
                after: one.after.iter().map(|a| names[a.as_str()]).collect(),
                members,
                domains: Vec::new(),
            });
        }
        let rest = inventory.nodes.keys().filter(|id| !covered.contains(id));
        let rest: BTreeSet<_> = rest.copied().collect();
        if !rest.is_empty() {
            sets.push(Set {
                name: UNDECLARED.to_owned(),
                rule: Rule::Nodes(1),
                after: Vec::new(),
                members: rest,
                domains: Vec::new(),
            });
        }
        Ok(Self::seated(sets, inventory))
    }

    fn seated(mut sets: Vec<Set>, inventory: &Inventory) -> Self {
        let mut seats: BTreeMap<NodeId, Vec<Seat>> = BTreeMap::new();
        for (index, set) in sets.iter_mut().enumerate() {
            let mut known: BTreeMap<String, usize> = BTreeMap::new();
            for id in &set.members {
                let name = domain_name(set.rule, inventory.get(*id), *id);
                let next = known.len();
                let domain = *known.entry(name.clone()).or_insert(next);
                if domain == next {
                    set.domains.push(name);
                }
                let seat = Seat { set: index, domain };
                seats.entry(*id).or_default().push(seat);
            }
        }
        Self { sets, seats }
    }

    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// A node's places; empty for a node that was not in the inventory.
    pub fn seats(&self, id: NodeId) -> &[Seat] {
        self.seats.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether one of the node's sets asks where it stands.
    pub fn needs_topology(&self, id: NodeId) -> bool {
        self.seats(id).iter().any(|seat| {
            let level = level_of(self.sets[seat.set].rule);
            level.is_some_and(|l| l != Level::Node)
        })
    }

    /// The quorums that it is a member of.
    pub fn quorums(&self, id: NodeId) -> impl Iterator<Item = &Set> {
        let sets = self.seats(id).iter().map(|seat| &self.sets[seat.set]);
        sets.filter(|set| set.rule == Rule::Quorum)
    }
}

const fn level_of(rule: Rule) -> Option<Level> {
    match rule {
        Rule::Nodes(_) | Rule::Quorum => None,
        Rule::Domains { level, .. } | Rule::PerDomain { level, .. } => Some(level),
    }
}

/// The failure domain with all above it, since racks of two zones may have one name. A node of
/// which it is not known stands in one of its own.
fn domain_name(rule: Rule, node: Option<&NodeFacts>, id: NodeId) -> String {
    let alone = || node.map_or_else(|| id.to_string(), |n| n.name.to_string());
    let Some(level) = level_of(rule) else {
        return "the set".to_owned();
    };
    let place = node.and_then(|n| n.topology.as_ref());
    place.and_then(|t| path(t, level)).unwrap_or_else(alone)
}

fn path(t: &Topology, level: Level) -> Option<String> {
    let parts = [&t.region, &t.datacenter, &t.zone, &t.rack];
    let deep = match level {
        Level::Region => 1,
        Level::Datacenter => 2,
        Level::Zone => 3,
        Level::Rack => 4,
        Level::Node => return None,
    };
    let parts: Vec<&str> = parts.iter().take(deep).map(|p| p.as_str()).collect();
    Some(parts.join("/"))
}
