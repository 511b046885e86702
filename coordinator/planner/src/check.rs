//! The linter: what must be true of every plan, whoever made it. It shares no code with the steps
//! but the counting of who is away.

use std::collections::BTreeSet;

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::order::Misfit;
use h8lio_model::plan::{NodeState, Plan, PlanReport, RolloutState, Slot, SlotPhase};

use crate::constraints::{Constraints, Exceeded, Load, Seat};
use crate::inventory::Inventory;

/// A plan that must not become the target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("the plan does not follow the plan that it was made from")]
    NotAChild,
    #[error("the order of {node} contradicts itself")]
    Order {
        node: NodeId,
        #[source]
        misfit: Misfit,
    },
    #[error("the order of {node} has another content and not exactly the next generation")]
    Generation { node: NodeId },
    #[error("the order of {node} was dropped; its generation must go on growing")]
    OrderDropped { node: NodeId },
    #[error("the order of {node} has a ticket, and the node has no slot for it")]
    TicketWithoutSlot { node: NodeId },
    #[error("the slot of {node} says that it was ordered, and its order has no such ticket")]
    SlotWithoutTicket { node: NodeId },
    #[error("the slot of {node} belongs to rollout {rollout}, of which the node is no part")]
    StrangeSlot { node: NodeId, rollout: RolloutName },
    #[error("{node} is {state:?} in rollout {rollout}, which its slot contradicts")]
    State {
        node: NodeId,
        rollout: RolloutName,
        state: NodeState,
    },
    #[error("constraint {constraint}: {taken} are away with the new slots, and {limit} may be")]
    Budget {
        constraint: String,
        limit: u32,
        taken: u32,
    },
    #[error("{node} was given a slot while it counts as away itself")]
    SlotForTheAbsent { node: NodeId },
    #[error("the attempt of {node} was tried before")]
    AttemptAgain { node: NodeId },
    #[error("{node} waits in rollout {rollout}, and nothing says why")]
    NoReason { node: NodeId, rollout: RolloutName },
    #[error("the report is about another plan")]
    StrangeReport,
}

/// Everything that is wrong with a plan and its report.
pub fn check(
    parent: &Plan,
    plan: &Plan,
    report: &PlanReport,
    inventory: &Inventory,
    constraints: &Constraints,
) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if plan.id() != parent.id() && plan.parent() != Some(parent.id()) {
        flaws.push(Flaw::NotAChild);
    }
    if report.plan != plan.id() {
        flaws.push(Flaw::StrangeReport);
    }
    orders(parent, plan, &mut flaws);
    slots(plan, &mut flaws);
    states(plan, &mut flaws);
    budgets(parent, plan, inventory, constraints, &mut flaws);
    reasons(plan, report, &mut flaws);
    flaws
}

fn orders(parent: &Plan, plan: &Plan, flaws: &mut Vec<Flaw>) {
    let (before, now) = (&parent.content().orders, &plan.content().orders);
    for (id, order) in now {
        let node = *id;
        if let Err(misfit) = order.content.check() {
            flaws.push(Flaw::Order { node, misfit });
        }
        let expected = match before.get(id) {
            None => 1,
            Some(b) if b.content == order.content => b.generation.0,
            Some(b) => b.generation.0 + 1,
        };
        if order.generation.0 != expected {
            flaws.push(Flaw::Generation { node });
        }
        let slot = plan.content().slots.get(id);
        for ticket in &order.content.tickets {
            if slot.is_none_or(|slot| slot.attempt != ticket.attempt) {
                flaws.push(Flaw::TicketWithoutSlot { node });
            }
            let known = before.get(id).is_some_and(|b| b.content == order.content);
            let tried = parent
                .content()
                .slots
                .get(id)
                .is_some_and(|s| s.attempt == ticket.attempt && s.phase != SlotPhase::Reserved);
            if tried && !known {
                flaws.push(Flaw::AttemptAgain { node });
            }
        }
    }
    let dropped = before.keys().filter(|id| !now.contains_key(id));
    flaws.extend(dropped.map(|id| Flaw::OrderDropped { node: *id }));
}

fn slots(plan: &Plan, flaws: &mut Vec<Flaw>) {
    for (id, slot) in &plan.content().slots {
        let node = *id;
        let order = plan.content().orders.get(id);
        let ticket = order.and_then(|o| o.content.ticket(slot.attempt));
        match slot.phase {
            SlotPhase::Ordered if ticket.is_none() => {
                flaws.push(Flaw::SlotWithoutTicket { node });
            }
            SlotPhase::Reserved | SlotPhase::Withdrawn { .. } if ticket.is_some() => {
                flaws.push(Flaw::TicketWithoutSlot { node });
            }
            _ => {}
        }
        let rollout = plan.content().rollouts.get(&slot.rollout);
        if rollout.is_none_or(|r| !r.nodes.contains_key(id)) {
            let rollout = slot.rollout.clone();
            flaws.push(Flaw::StrangeSlot { node, rollout });
        }
    }
}

/// In a slot means that there is one, and the other way round.
fn states(plan: &Plan, flaws: &mut Vec<Flaw>) {
    for (name, rollout) in &plan.content().rollouts {
        for (id, part) in &rollout.nodes {
            let slot = plan.content().slots.get(id);
            let slot = slot.filter(|s: &&Slot| s.rollout == *name);
            let kept = slot.is_some_and(|s| matches!(s.phase, SlotPhase::Kept { .. }));
            let fits = match part.state {
                NodeState::InSlot => slot.is_some() && !kept,
                NodeState::Failed | NodeState::RolledBack => slot.is_none() || kept,
                _ => slot.is_none(),
            };
            if !fits {
                flaws.push(Flaw::State {
                    node: *id,
                    rollout: name.clone(),
                    state: part.state,
                });
            }
        }
    }
}

/// No new slot in a set that is full with it. Servers that went down by themselves may fill a set
/// beyond its limit; a plan may not.
fn budgets(
    parent: &Plan,
    plan: &Plan,
    inventory: &Inventory,
    constraints: &Constraints,
    flaws: &mut Vec<Flaw>,
) {
    let old = &parent.content().slots;
    let new: BTreeSet<NodeId> = plan.content().slots.keys().copied().collect();
    let new: BTreeSet<NodeId> = new.into_iter().filter(|id| !old.contains_key(id)).collect();
    for id in &new {
        if inventory.get(*id).is_none_or(|n| n.absence().is_some()) {
            flaws.push(Flaw::SlotForTheAbsent { node: *id });
        }
    }
    let load = Load::of_plan(constraints, inventory, plan);
    for over in load.exceeded(constraints) {
        let is_in = |seat: &Seat| {
            seat.set == over.set && over.domain.is_none_or(|domain| seat.domain == domain)
        };
        if new
            .iter()
            .any(|id| constraints.seats(*id).iter().any(is_in))
        {
            let constraint = constraints.sets()[over.set].name.clone();
            let Exceeded { limit, taken, .. } = over;
            flaws.push(Flaw::Budget {
                constraint,
                limit,
                taken,
            });
        }
    }
}

/// No step and no reason is a defect.
fn reasons(plan: &Plan, report: &PlanReport, flaws: &mut Vec<Flaw>) {
    for (name, rollout) in &plan.content().rollouts {
        let Some(told) = report.rollouts.get(name) else {
            continue;
        };
        if !told.waiting.is_empty() || told.state == RolloutState::Cancelled {
            continue;
        }
        for (id, part) in &rollout.nodes {
            let told = report.nodes.get(id).and_then(|n| n.parts.get(name));
            let silent = told.is_none_or(|p| p.waiting.is_empty());
            if !part.state.is_settled() && silent {
                flaws.push(Flaw::NoReason {
                    node: *id,
                    rollout: name.clone(),
                });
            }
        }
    }
}
