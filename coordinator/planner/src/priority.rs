//! Critical path first: whose constraint has the most work left in front of it goes first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use h8lio_model::ids::NodeId;
use jiff::SignedDuration;

use crate::constraints::{Constraints, Rule};
use crate::inventory::Inventory;

/// How long each set needs at least for the nodes that are left, in milliseconds.
#[derive(Debug)]
pub(crate) struct Priorities<'a> {
    constraints: &'a Constraints,
    inventory: &'a Inventory,
    sets: Vec<Pressure>,
    /// By set, since every node asks: the least time that it needs, and how deep it stands.
    least: Vec<i128>,
    depths: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
struct Pressure {
    /// Of all nodes.
    sum: i128,
    /// Of the longest node.
    longest: i128,
    /// By failure domain: the sum, and the longest.
    domains: BTreeMap<usize, (i128, i128)>,
}

/// Smallest first.
pub(crate) type Key = (
    u32,
    Reverse<i128>,
    usize,
    Reverse<i128>,
    usize,
    Reverse<i128>,
    NodeId,
);

impl<'a> Priorities<'a> {
    pub(crate) fn of(
        constraints: &'a Constraints,
        inventory: &'a Inventory,
        left: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let mut sets = vec![Pressure::default(); constraints.sets().len()];
        for id in left {
            let work = estimate(inventory, id).as_millis();
            for seat in constraints.seats(id) {
                let set = &mut sets[seat.set];
                set.sum += work;
                set.longest = set.longest.max(work);
                let domain = set.domains.entry(seat.domain).or_default();
                domain.0 += work;
                domain.1 = domain.1.max(work);
            }
        }
        let all = constraints.sets().iter().zip(&sets);
        let least = all.map(|(set, pressure)| least(set.rule, pressure));
        Self {
            least: least.collect(),
            depths: (0..sets.len()).map(|s| depth(constraints, s)).collect(),
            constraints,
            inventory,
            sets,
        }
    }

    /// The set that needs the longest, and how long: the lower bound of the whole.
    pub(crate) fn bound(&self) -> Option<(usize, SignedDuration)> {
        let sets = (0..self.sets.len()).filter(|set| self.sets[*set].sum > 0);
        let longest = sets.max_by_key(|set| (self.least[*set], Reverse(*set)))?;
        let ms = i64::try_from(self.least[longest]).unwrap_or(i64::MAX);
        Some((longest, SignedDuration::from_millis(ms)))
    }

    /// Where the node stands in line: sets that others wait for, then the tightest set, within it
    /// the longest failure domain as a whole, within it the longest node.
    pub(crate) fn key(&self, id: NodeId) -> Key {
        let seats = self.constraints.seats(id);
        let depth = seats.iter().map(|s| self.depths[s.set]).max().unwrap_or(0);
        let tightest = seats
            .iter()
            .max_by_key(|s| (self.least[s.set], Reverse(s.set)));
        let (least, set, domain, in_domain) = tightest.map_or((0, 0, 0, 0), |seat| {
            let longest = self.sets[seat.set].domains.get(&seat.domain);
            let longest = longest.map_or(0, |(_, longest)| *longest);
            (self.least[seat.set], seat.set, seat.domain, longest)
        });
        let own = estimate(self.inventory, id).as_millis();
        (
            depth,
            Reverse(least),
            set,
            Reverse(in_domain),
            domain,
            Reverse(own),
            id,
        )
    }
}

/// The least time that a set needs, whatever the order: no schedule is shorter.
fn least(rule: Rule, pressure: &Pressure) -> i128 {
    let spread = |total: i128, most: u32| {
        let most = i128::from(most);
        ((total + most - 1) / most).max(pressure.longest)
    };
    match rule {
        Rule::Nodes(most) => spread(pressure.sum, most),
        Rule::Quorum => pressure.sum,
        Rule::Domains { most, .. } => {
            let rounds = pressure.domains.values().map(|(_, longest)| longest).sum();
            spread(rounds, most)
        }
        Rule::PerDomain { most, .. } => {
            let sums = pressure.domains.values().map(|(sum, _)| *sum);
            spread(sums.max().unwrap_or(0), most)
        }
    }
}

/// How many sets must be done before this one, one after the other.
fn depth(constraints: &Constraints, set: usize) -> u32 {
    let before = constraints.sets()[set].after.iter();
    before
        .map(|a| depth(constraints, *a) + 1)
        .max()
        .unwrap_or(0)
}

pub(crate) fn estimate(inventory: &Inventory, id: NodeId) -> SignedDuration {
    inventory
        .get(id)
        .map_or(SignedDuration::ZERO, |n| n.estimate)
}
