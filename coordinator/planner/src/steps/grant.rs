//! Slots: who may be changed now.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{AttemptId, OrderContent, Ticket};
use h8lio_model::plan::{Absence, NodeState, Slot, SlotPhase, WaitingOn};
use h8lio_model::section::Digest;
use jiff::{SignedDuration, Timestamp};

use crate::constraints::{Constraints, Load, Refusal, Rule};
use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout};
use crate::priority::estimate;
use crate::steps::{ask, begin};
use crate::versions::Work;

/// A ticket that was not begun within this is dead: what it rested on was true when it was ordered.
pub const BEGIN_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// So long a ticket holds at least, or it would be dead when it arrives. Estimates are not more exact.
pub const DELIVERY: SignedDuration = SignedDuration::from_mins(1);

/// Reserves a slot, or says why there is none.
pub(crate) fn reserve(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    load: &mut Load,
    open: &Open,
    rollout: &Rollout,
    id: NodeId,
) -> Vec<WaitingOn> {
    let mut reasons = places(input, load, id);
    reasons.extend(open.before(input.constraints, id));
    reasons.extend(ask::refused(input, draft, id));
    let Some(node) = draft.node(rollout.name(), id) else {
        return reasons;
    };
    if !reasons.is_empty() {
        return reasons;
    }
    node.state = NodeState::InSlot;
    node.since = input.now;
    let wave = node.wave;
    let slot = Slot {
        rollout: rollout.name().clone(),
        wave,
        attempt: provisional(rollout, id, node.tries),
        since: input.now,
        ledger: None,
        phase: SlotPhase::Reserved,
    };
    draft.content.slots.insert(id, slot);
    load.take(input.constraints, id, Absence::Slot, input.now);
    Vec::new()
}

/// Turns a reserved slot into an order.
pub(crate) fn order_work(
    input: &PlanningInput<'_>,
    draft: &mut Draft,
    rollout: &Rollout,
    id: NodeId,
    work: Work,
) {
    let Some(node) = draft.node(rollout.name(), id) else {
        return;
    };
    node.tries += 1;
    let tries = node.tries;
    let begun_at = draft
        .content
        .rollouts
        .get(rollout.name())
        .map(|p| p.begun_at);
    let mut content = OrderContent {
        scheduling: Scheduling::InMaintenance,
        patch: work.patch,
        reboot: work.reboot,
        let_go: BTreeSet::new(),
        leases: Vec::new(),
        tickets: Vec::new(),
    };
    let of = (rollout.name(), begun_at, id, tries, content.digest());
    let attempt = attempt(&of);
    content.tickets.push(Ticket {
        attempt,
        act: work.act,
        on_failure: work.on_failure,
        begin_before: begin_before(input, rollout, id),
    });
    draft.order(id, content);
    if let Some(slot) = draft.content.slots.get_mut(&id) {
        let report = input.inventory.get(id).and_then(|n| n.orders.as_ref());
        slot.ledger = report.map(|fact| fact.value.ledger);
        slot.attempt = attempt;
        slot.phase = SlotPhase::Ordered;
        slot.since = input.now;
    }
}

/// Until when a ticket that is ordered now may be begun: not for long, and not so late that the work
/// would not be over in time.
fn begin_before(input: &PlanningInput<'_>, rollout: &Rollout, id: NodeId) -> Timestamp {
    let after = |span| input.now.checked_add(span).unwrap_or(Timestamp::MAX);
    let work = estimate(input.inventory, id);
    let latest = rollout.calendar(input.policy).latest(input.now, work);
    let soon = after(BEGIN_WITHIN);
    latest.map_or(soon, |l| l.clamp(after(DELIVERY), soon))
}

fn attempt<T: serde::Serialize>(of: &T) -> AttemptId {
    let body = serde_json::to_vec(of).expect("names, numbers and digests have a JSON form");
    AttemptId::derived(&Digest::of(&body))
}

/// The id of a slot of which nothing was ordered yet; no ticket ever has it.
fn provisional(rollout: &Rollout, id: NodeId, tries: u32) -> AttemptId {
    let name: &RolloutName = rollout.name();
    attempt(&("reserved", name, id, tries))
}

/// The sets that have no place for it.
pub(crate) fn places(input: &PlanningInput<'_>, load: &Load, id: NodeId) -> Vec<WaitingOn> {
    let constraints = input.constraints;
    let refusals = load.refusals(constraints, constraints.seats(id));
    refusals
        .iter()
        .map(|refusal| words(input, load, refusal))
        .collect()
}

/// A refusal of a set, as a reason.
pub(crate) fn words(input: &PlanningInput<'_>, load: &Load, refusal: &Refusal) -> WaitingOn {
    let set = &input.constraints.sets()[refusal.seat.set];
    let constraint = set.name.clone();
    let domain = set.domains[refusal.seat.domain].clone();
    let by = refusal.by.map(|by| (by, load.away(by)));
    match (set.rule, by) {
        (Rule::Quorum, Some((by, _))) => WaitingOn::QuorumTogether {
            constraint,
            by: input.inventory.name(by),
        },
        (Rule::Domains { .. }, Some((by, Some((absence, _))))) => WaitingOn::DomainTaken {
            constraint,
            domain: domain_of(input.constraints, refusal.seat.set, by),
            by: input.inventory.name(by),
            absence,
        },
        (Rule::PerDomain { most: 1, .. } | Rule::Nodes(1), Some((by, Some((absence, _))))) => {
            WaitingOn::DomainTaken {
                constraint,
                domain,
                by: input.inventory.name(by),
                absence,
            }
        }
        _ => WaitingOn::Quota {
            constraint,
            domain,
            limit: refusal.limit,
            taken: refusal.taken,
        },
    }
}

fn domain_of(constraints: &Constraints, set: usize, id: NodeId) -> String {
    let seat = constraints.seats(id).iter().find(|seat| seat.set == set);
    seat.map_or_else(String::new, |s| {
        constraints.sets()[set].domains[s.domain].clone()
    })
}

/// What is left of a rollout when its nodes take their turn, counted once for all of them.
#[derive(Debug)]
pub(crate) struct Open {
    /// Outside of quorums.
    first: u32,
    /// By set.
    sets: Vec<u32>,
    nodes: BTreeSet<NodeId>,
}

impl Open {
    pub(crate) fn of(input: &PlanningInput<'_>, draft: &Draft, rollout: &Rollout) -> Self {
        let progress = draft.content.rollouts.get(rollout.name());
        let nodes = progress.into_iter().flat_map(|p| &p.nodes);
        let nodes: BTreeSet<NodeId> = nodes
            .filter(|(_, n)| !n.state.is_settled())
            .map(|(id, _)| *id)
            .collect();
        let constraints = input.constraints;
        let mut open = Self {
            first: 0,
            sets: vec![0; constraints.sets().len()],
            nodes: BTreeSet::new(),
        };
        for id in &nodes {
            open.first += u32::from(!begin::is_in_quorum(constraints, *id));
            for seat in constraints.seats(*id) {
                open.sets[seat.set] += 1;
            }
        }
        open.nodes = nodes;
        open
    }

    /// What must be done before it: all others before members of quorums, and sets before sets.
    fn before(&self, constraints: &Constraints, id: NodeId) -> Vec<WaitingOn> {
        let mut reasons = Vec::new();
        if self.first > 0 {
            reasons.extend(constraints.quorums(id).map(|quorum| WaitingOn::QuorumLast {
                constraint: quorum.name.clone(),
                remaining: self.first,
            }));
        }
        for seat in constraints.seats(id) {
            for after in &constraints.sets()[seat.set].after {
                let before = &constraints.sets()[*after];
                // A node of both sets does not wait for itself.
                let itself = before.members.contains(&id) && self.nodes.contains(&id);
                let remaining = self.sets[*after] - u32::from(itself);
                if remaining > 0 {
                    let constraint = before.name.clone();
                    reasons.push(WaitingOn::After {
                        constraint,
                        remaining,
                    });
                }
            }
        }
        reasons
    }
}

/// Reasons by node.
pub(crate) type Reasons = BTreeMap<NodeId, Vec<WaitingOn>>;
