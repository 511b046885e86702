//! A rollout as operators see it: what is stored, what is planned, what the nodes report.

use std::collections::BTreeMap;

use h8lio_model::ids::{NodeId, NodeName, RolloutName};
use h8lio_model::lifecycle::Admission;
use h8lio_model::order::{OrderReport, Outcome, Running};
use h8lio_model::plan::{
    Count, Forecast, NodeProgress, Plan, PlanReport, RolloutProgress, Slot, SlotPhase, Waiting,
    WaitingOn,
};
use h8lio_model::rollout::Lane;
use h8lio_model::rollout::view::{
    ForecastView, ReasonView, RolloutNodeView, RolloutView, SlotView, StepView, WishView,
};
use h8lio_planner::inventory::Inventory;
use jiff::Timestamp;

use crate::maintenance::Snapshot;
use crate::maintenance::rollouts::{RolloutRecord, WishRecord};

/// Names in a sentence before the rest is counted.
const NAMED: usize = 5;

/// A slot and what its node says about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotNow<'a> {
    pub(super) slot: &'a Slot,
    /// How the attempt ended, as far as it is known now.
    pub(super) outcome: Option<Outcome>,
    pub(super) message: Option<&'a str>,
    pub(super) running: Option<&'a Running>,
}

impl<'a> SlotNow<'a> {
    /// The node's slot, in whichever rollout.
    pub(super) fn of(plan: &'a Plan, inventory: &'a Inventory, id: NodeId) -> Option<Self> {
        let slot = plan.content().slots.get(&id)?;
        let node = inventory.get(id);
        let report = node.and_then(|n| n.orders.as_ref()).map(|f| &f.value);
        let end = report.and_then(|r| r.attempt(slot.attempt));
        let reported = match slot.phase {
            // Nobody was told to do anything.
            SlotPhase::Reserved => None,
            // Nobody will say any more; a person may.
            _ if node.is_none_or(|n| n.admission == Admission::Decommissioned) => {
                Some(Outcome::Unknown)
            }
            _ => end.map(|e| e.outcome).or_else(|| lost(report, slot)),
        };
        let outcome = match slot.phase {
            SlotPhase::Kept { outcome, .. } => Some(outcome),
            _ => reported,
        };
        let running = report.and_then(|r| r.running.as_ref());
        Some(Self {
            slot,
            outcome,
            message: end.map(|e| e.message.as_str()),
            running: running.filter(|r| r.attempt == slot.attempt),
        })
    }

    fn view(&self) -> SlotView {
        SlotView {
            phase: self.slot.phase,
            attempt: self.slot.attempt,
            since: self.slot.since,
            outcome: self.outcome,
            message: self.message.map(str::to_owned).filter(|m| !m.is_empty()),
            step: self.running.map(|r| StepView {
                name: r.step.clone(),
                since: r.since,
                safe_point: r.safe_point,
                doing: r.doing.clone(),
            }),
        }
    }
}

/// A node that keeps another ledger than the ticket was made for cannot say what it did.
fn lost(report: Option<&OrderReport>, slot: &Slot) -> Option<Outcome> {
    let lost = report.is_some_and(|r| slot.ledger.is_some_and(|ledger| ledger != r.ledger));
    lost.then_some(Outcome::Unknown)
}

/// A plan with its report, and the fleet that it was made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    as_of: Timestamp,
    plan: &'a Plan,
    report: Option<&'a PlanReport>,
    inventory: &'a Inventory,
    rollouts: &'a Snapshot,
}

impl<'a> Scene<'a> {
    /// As it stands.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self::new(snapshot, &snapshot.plan, snapshot.report.as_ref())
    }

    /// As it would stand with another plan.
    pub(super) const fn new(
        snapshot: &'a Snapshot,
        plan: &'a Plan,
        report: Option<&'a PlanReport>,
    ) -> Self {
        Self {
            as_of: snapshot.now,
            plan,
            report,
            inventory: &snapshot.inventory,
            rollouts: snapshot,
        }
    }

    /// One rollout.
    pub(super) fn view(&self, record: &RolloutRecord, with_nodes: bool) -> RolloutView {
        let name = &record.spec.name;
        let progress = self.plan.content().rollouts.get(name);
        let told = self.report.and_then(|r| r.rollouts.get(name));
        let whole = self.report.map_or(&[][..], |r| r.waiting.as_slice());
        let waiting = whole.iter().chain(told.map_or(&[][..], |t| &t.waiting));
        let listed = progress.filter(|_| with_nodes);
        RolloutView {
            frozen: self.rollouts.frozen.clone(),
            spec: record.spec.clone(),
            created_at: record.created_at,
            created_by: record.created_by.clone(),
            reason: record.reason.clone(),
            wish: wish(&record.control.wish),
            as_of: self.as_of,
            state: told.map(|t| t.state),
            wave: progress.map_or(0, |p| p.wave),
            count: progress.map(count).unwrap_or_default(),
            waiting: waiting.map(|w| ReasonView::new(None, w)).collect(),
            forecast: told.and_then(|t| t.forecast.as_ref()).map(forecast),
            notes: self.contention(name),
            resolved: listed.map(|p| p.resolved.clone()).unwrap_or_default(),
            nodes: listed.map(|p| self.nodes(name, p)).unwrap_or_default(),
        }
    }

    fn nodes(&self, rollout: &RolloutName, progress: &RolloutProgress) -> Vec<RolloutNodeView> {
        let mut nodes: Vec<RolloutNodeView> = progress
            .nodes
            .iter()
            .map(|(id, node)| self.node(rollout, *id, node))
            .collect();
        nodes.sort_by(|a, b| a.wave.cmp(&b.wave).then(a.name.cmp(&b.name)));
        nodes
    }

    fn node(&self, rollout: &RolloutName, id: NodeId, node: &NodeProgress) -> RolloutNodeView {
        let told = self.report.and_then(|r| r.nodes.get(&id));
        let part = told.and_then(|n| n.parts.get(rollout));
        let waiting: &[Waiting] = part.map_or(&[], |p| &p.waiting);
        let slot = SlotNow::of(self.plan, self.inventory, id);
        RolloutNodeView {
            id,
            name: self.inventory.name(id),
            state: node.state,
            wave: node.wave,
            tries: node.tries,
            since: node.since,
            slot: slot
                .filter(|s| s.slot.rollout == *rollout)
                .map(|s| s.view()),
            waiting: waiting.iter().map(|w| ReasonView::new(None, w)).collect(),
            expected: part.and_then(|p| p.expected),
        }
    }

    /// Which other rollouts want the same nodes, and who has them.
    fn contention(&self, rollout: &RolloutName) -> Vec<String> {
        let mut before: BTreeMap<&RolloutName, Vec<&NodeName>> = BTreeMap::new();
        let mut behind = before.clone();
        for node in self.report.iter().flat_map(|r| r.nodes.values()) {
            for (name, part) in &node.parts {
                for other in part.waiting.iter().filter_map(other) {
                    if name == rollout {
                        before.entry(other).or_default().push(&node.name);
                    } else if other == rollout {
                        behind.entry(name).or_default().push(&node.name);
                    }
                }
            }
        }
        let before = before.iter().map(|(other, nodes)| {
            let lane = self.lane(other);
            format!(
                "rollout {other} has {} first: {lane}; this one changes them when that one is done \
                 with them",
                named(nodes)
            )
        });
        let behind = behind.iter().map(|(other, nodes)| {
            format!(
                "rollout {other} wants {} too, and waits for this one",
                named(nodes)
            )
        });
        before.chain(behind).collect()
    }

    /// Why a rollout goes before another one.
    fn lane(&self, rollout: &RolloutName) -> &'static str {
        let known = self.rollouts.rollouts.iter();
        let mut known = known.filter(|r| r.name() == rollout);
        match known.next().map(|r| r.spec.lane) {
            Some(Lane::Cve) => "it is in the CVE lane",
            Some(Lane::Normal) | None => "it is the older one",
        }
    }
}

fn other(waiting: &Waiting) -> Option<&RolloutName> {
    match &waiting.on {
        WaitingOn::OtherRollout { rollout } => Some(rollout),
        _ => None,
    }
}

/// Some names, and how many more.
fn named(nodes: &[&NodeName]) -> String {
    let shown: Vec<&str> = nodes.iter().take(NAMED).map(|n| n.as_str()).collect();
    let shown = shown.join(", ");
    match nodes.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn count(progress: &RolloutProgress) -> Count {
    let mut count = Count::default();
    for node in progress.nodes.values() {
        count.add(node.state);
    }
    count
}

fn forecast(told: &Forecast) -> ForecastView {
    ForecastView {
        finish: told.finish,
        not_before: told.not_before,
        left_out: told.left_out,
        because: told.because.clone(),
    }
}

fn wish(record: &WishRecord) -> WishView {
    match record.clone() {
        WishRecord::Run => WishView::Run,
        WishRecord::Pause { by, at } => WishView::Pause { by, at },
        WishRecord::Cancel { by, at } => WishView::Cancel { by, at },
    }
}
