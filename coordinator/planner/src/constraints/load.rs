use std::collections::BTreeMap;

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{Absence, Plan, PlanContent};
use jiff::Timestamp;

use super::{Constraints, Rule, Seat};
use crate::inventory::Inventory;

/// Who is away, set by set: down, out of service, or with a slot.
#[derive(Debug, Clone)]
pub struct Load {
    sets: Vec<SetLoad>,
    /// Everybody who is away, with the reason and since when.
    away: BTreeMap<NodeId, (Absence, Timestamp)>,
}

#[derive(Debug, Clone)]
struct SetLoad {
    nodes: u32,
    by_domain: Vec<u32>,
    busy_domains: u32,
    who: Vec<(NodeId, usize)>,
}

/// A set that has no place left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub seat: Seat,
    /// One who is away and takes the place.
    pub by: Option<NodeId>,
    pub limit: u32,
    pub taken: u32,
}

/// A set in which more is away than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    pub set: usize,
    /// The failure domain, where each one has its own limit.
    pub domain: Option<usize>,
    pub limit: u32,
    pub taken: u32,
}

impl Load {
    /// Nobody is away.
    pub fn none(constraints: &Constraints) -> Self {
        let empty = |set: &super::Set| SetLoad {
            nodes: 0,
            by_domain: vec![0; set.domains.len()],
            busy_domains: 0,
            who: Vec::new(),
        };
        Self {
            sets: constraints.sets().iter().map(empty).collect(),
            away: BTreeMap::new(),
        }
    }

    /// Everybody who is away in this inventory and by these slots.
    pub fn of(constraints: &Constraints, inventory: &Inventory, content: &PlanContent) -> Self {
        let mut load = Self::none(constraints);
        for (id, slot) in &content.slots {
            load.take(constraints, *id, Absence::Slot, slot.since);
        }
        for (id, node) in &inventory.nodes {
            if let Some((absence, since)) = node.absence() {
                load.take(constraints, *id, absence, since);
            }
        }
        load
    }

    /// The same for a plan as a whole.
    pub fn of_plan(constraints: &Constraints, inventory: &Inventory, plan: &Plan) -> Self {
        Self::of(constraints, inventory, plan.content())
    }

    /// Counts a node as away. One who is away already is not counted twice.
    pub fn take(
        &mut self,
        constraints: &Constraints,
        id: NodeId,
        absence: Absence,
        since: Timestamp,
    ) {
        if self.away.contains_key(&id) {
            return;
        }
        self.away.insert(id, (absence, since));
        for seat in constraints.seats(id) {
            let set = &mut self.sets[seat.set];
            set.nodes += 1;
            set.by_domain[seat.domain] += 1;
            set.busy_domains += u32::from(set.by_domain[seat.domain] == 1);
            set.who.push((id, seat.domain));
        }
    }

    /// Counts it as back.
    pub fn give_back(&mut self, constraints: &Constraints, id: NodeId) {
        if self.away.remove(&id).is_none() {
            return;
        }
        for seat in constraints.seats(id) {
            let set = &mut self.sets[seat.set];
            set.nodes -= 1;
            set.by_domain[seat.domain] -= 1;
            set.busy_domains -= u32::from(set.by_domain[seat.domain] == 0);
            set.who.retain(|(other, _)| *other != id);
        }
    }

    /// Why a node is away, and since when.
    pub fn away(&self, id: NodeId) -> Option<(Absence, Timestamp)> {
        self.away.get(&id).copied()
    }

    /// Whether one more node fits everywhere.
    pub fn fits(&self, constraints: &Constraints, seats: &[Seat]) -> bool {
        seats
            .iter()
            .all(|seat| self.room(constraints, seat).is_ok())
    }

    /// All sets that have no place for one more node.
    pub fn refusals(&self, constraints: &Constraints, seats: &[Seat]) -> Vec<Refusal> {
        let refused = seats.iter().filter_map(|seat| {
            let (limit, taken) = self.room(constraints, seat).err()?;
            let by = self.holder(constraints, seat);
            Some(Refusal {
                seat: *seat,
                by,
                limit,
                taken,
            })
        });
        refused.collect()
    }

    /// `Err`: the limit, and how much of it is taken.
    fn room(&self, constraints: &Constraints, seat: &Seat) -> Result<(), (u32, u32)> {
        let load = &self.sets[seat.set];
        let here = load.by_domain[seat.domain];
        let (limit, taken) = match constraints.sets()[seat.set].rule {
            Rule::Nodes(n) => (n, load.nodes),
            Rule::Quorum => (1, load.nodes),
            Rule::PerDomain { most, .. } => (most, here),
            Rule::Domains { most, .. } if here > 0 && load.busy_domains <= most => return Ok(()),
            Rule::Domains { most, .. } => (most, load.busy_domains),
        };
        match taken < limit {
            true => Ok(()),
            false => Err((limit, taken)),
        }
    }

    /// One who takes the place: of another domain where domains count, else anybody.
    fn holder(&self, constraints: &Constraints, seat: &Seat) -> Option<NodeId> {
        let who = &self.sets[seat.set].who;
        let counts = |domain: usize| match constraints.sets()[seat.set].rule {
            Rule::Domains { .. } => domain != seat.domain,
            Rule::PerDomain { .. } => domain == seat.domain,
            Rule::Nodes(_) | Rule::Quorum => true,
        };
        let found = who.iter().find(|(_, domain)| counts(*domain));
        found.map(|(id, _)| *id)
    }

    /// Sets, or failure domains of sets, in which more is away than may be.
    pub fn exceeded(&self, constraints: &Constraints) -> Vec<Exceeded> {
        let sets = constraints.sets().iter().zip(&self.sets).enumerate();
        let over = sets.flat_map(|(set, (declared, load))| {
            let whole = |limit, taken| vec![(None, limit, taken)];
            let found = match declared.rule {
                Rule::Nodes(n) => whole(n, load.nodes),
                Rule::Quorum => whole(1, load.nodes),
                Rule::Domains { most, .. } => whole(most, load.busy_domains),
                Rule::PerDomain { most, .. } => {
                    let domains = load.by_domain.iter().enumerate();
                    domains.map(|(d, taken)| (Some(d), most, *taken)).collect()
                }
            };
            let over = found.into_iter().filter(|(_, limit, taken)| taken > limit);
            over.map(move |(domain, limit, taken)| Exceeded {
                set,
                domain,
                limit,
                taken,
            })
        });
        over.collect()
    }
}
