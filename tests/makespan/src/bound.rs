//! The least time that a rollout can take, whatever the order of its nodes.
//!
//! It shares no code with the planner's own `notBefore`. For a rollout that takes time `T`, and
//! some of its nodes with the time that each is away:
//!
//! - `Nodes(n)`: at each moment at most `n` of the set are away, so together they are away for at
//!   most `n × T`: `T ≥ sum / n`. No node is faster than itself: `T ≥` its longest.
//! - `Quorum`: the same with one at a time: `T ≥ sum`.
//! - `PerDomain { most }`: the first, in each failure domain for itself: `T ≥` the largest.
//! - `Domains { most }`: somebody of a failure domain is away for at least as long as its longest
//!   node takes, and at each moment this is so in at most `most` of them:
//!   `T ≥ sum of the longest of each / most`.
//! - A node that no set holds shares one with all such nodes, of which one may be away.
//!
//! Every set binds by itself, so the largest holds. Members of quorums go after all other nodes of
//! the rollout (that is a rule of the product, and no habit of the planner): their time comes on top
//! of that of the others. [`Bound::without_order`] leaves this rule out and binds even a planner that
//! mixed them.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::NodeId;
use h8lio_planner::constraints::{Declared, Level, Members, Rule};
use h8lio_planner::inventory::{Inventory, NodeFacts};
use jiff::SignedDuration;

use crate::fleet::Fleet;

/// What no schedule can beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// With quorums after all others, as is the rule.
    pub least: SignedDuration,
    /// If quorums could be mixed with the others.
    pub without_order: SignedDuration,
}

impl Bound {
    /// Of a fleet, by what its nodes really take.
    pub fn of(fleet: &Fleet) -> Self {
        let sets = sets(&fleet.declared, &fleet.inventory);
        let quorums = sets.iter().filter(|(rule, _)| *rule == Rule::Quorum);
        let last: BTreeSet<NodeId> = quorums.flat_map(|(_, ids)| ids.iter().copied()).collect();
        let all = |is_last: fn(bool) -> bool| {
            let part = |id: &NodeId| is_last(last.contains(id));
            let sets = sets.iter();
            let least = sets.map(|(rule, ids)| {
                let ids: Vec<NodeId> = ids.iter().copied().filter(part).collect();
                of_set(*rule, &ids, fleet)
            });
            least.max().unwrap_or_default()
        };
        Self {
            least: all(|is_last| !is_last) + all(|is_last| is_last),
            without_order: all(|_| true),
        }
    }
}

type Sets = Vec<(Rule, BTreeSet<NodeId>)>;

/// The members of each set, and the set of those that none holds.
fn sets(declared: &[Declared], inventory: &Inventory) -> Sets {
    let mut sets: Sets = declared
        .iter()
        .map(|set| match &set.members {
            Members::These(ids) => (set.rule, ids.clone()),
            Members::Selected(selector) => (set.rule, inventory.selected(selector)),
        })
        .collect();
    let mut rest: BTreeSet<NodeId> = inventory.nodes.keys().copied().collect();
    for (_, ids) in &sets {
        rest.retain(|id| !ids.contains(id));
    }
    sets.push((Rule::Nodes(1), rest));
    sets
}

fn of_set(rule: Rule, ids: &[NodeId], fleet: &Fleet) -> SignedDuration {
    let takes =
        |ids: &[NodeId]| -> Vec<SignedDuration> { ids.iter().map(|id| fleet.takes[id]).collect() };
    match rule {
        Rule::Nodes(most) => spread(&takes(ids), most),
        Rule::Quorum => spread(&takes(ids), 1),
        Rule::PerDomain { level, most } => {
            let domains = domains(level, ids, &fleet.inventory);
            let each = domains.values().map(|ids| spread(&takes(ids), most));
            each.max().unwrap_or_default()
        }
        Rule::Domains { level, most } => {
            let domains = domains(level, ids, &fleet.inventory);
            let longest = |ids: &Vec<NodeId>| takes(ids).into_iter().max();
            let longest: Vec<_> = domains.values().filter_map(longest).collect();
            spread(&longest, most)
        }
    }
}

/// So many at a time: the sum over `most`, and no less than the longest.
fn spread(durations: &[SignedDuration], most: u32) -> SignedDuration {
    let sum: i128 = durations.iter().map(SignedDuration::as_millis).sum();
    let least = (sum + i128::from(most) - 1) / i128::from(most);
    let least = SignedDuration::from_millis(i64::try_from(least).unwrap_or(i64::MAX));
    least.max(durations.iter().max().copied().unwrap_or_default())
}

fn domains(level: Level, ids: &[NodeId], inventory: &Inventory) -> BTreeMap<String, Vec<NodeId>> {
    let mut domains: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for id in ids {
        let place = place(level, &inventory.nodes[id]);
        domains.entry(place).or_default().push(*id);
    }
    domains
}

fn place(level: Level, node: &NodeFacts) -> String {
    let Some(t) = &node.topology else {
        return node.name.to_string();
    };
    let (region, centre, zone, rack) = (&t.region, &t.datacenter, &t.zone, &t.rack);
    match level {
        Level::Region => region.to_string(),
        Level::Datacenter => format!("{region}/{centre}"),
        Level::Zone => format!("{region}/{centre}/{zone}"),
        Level::Rack => format!("{region}/{centre}/{zone}/{rack}"),
        Level::Node => node.name.to_string(),
    }
}
