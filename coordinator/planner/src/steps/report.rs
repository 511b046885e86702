//! From what was found to the report: every reason with its age and what is known of its end.

use std::collections::BTreeMap;

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::plan::{
    Count, NodePart, NodeReport, Plan, PlanReport, RolloutProgress, RolloutReport, RolloutState,
    Waiting, WaitingOn,
};
use jiff::Timestamp;

use crate::input::{PlanningInput, Rollout, Wish};
use crate::steps::forecast::Outlook;
use crate::steps::rollout::Found;

/// Everything of one rollout that the report is made of.
pub(crate) struct Chapter<'a> {
    pub(crate) rollout: &'a Rollout,
    pub(crate) found: Found,
    pub(crate) outlook: Outlook,
}

/// Why nothing is planned, and how everything stood before.
pub(crate) fn frozen(input: &PlanningInput<'_>, because: &str) -> PlanReport {
    let on = WaitingOn::FrozenCoordinator {
        because: because.to_owned(),
    };
    let before = input.previous.map(|p| p.waiting.as_slice());
    let stands = input.previous.filter(|p| p.plan == input.parent.id());
    PlanReport {
        plan: input.parent.id(),
        at: input.now,
        waiting: vec![aged(on, before.unwrap_or_default(), input.now)],
        rollouts: stands.map(|p| p.rollouts.clone()).unwrap_or_default(),
        nodes: stands.map(|p| p.nodes.clone()).unwrap_or_default(),
    }
}

pub(crate) fn write(
    input: &PlanningInput<'_>,
    plan: &Plan,
    chapters: Vec<Chapter<'_>>,
) -> PlanReport {
    let mut report = PlanReport {
        plan: plan.id(),
        at: input.now,
        waiting: Vec::new(),
        rollouts: BTreeMap::new(),
        nodes: BTreeMap::new(),
    };
    for chapter in chapters {
        let name = chapter.rollout.name().clone();
        let Some(progress) = plan.content().rollouts.get(&name) else {
            continue;
        };
        let whole = rollout(input, plan, progress, &chapter);
        if !matches!(
            whole.state,
            RolloutState::Finished | RolloutState::Cancelled
        ) {
            nodes(input, &mut report.nodes, progress, chapter);
        }
        report.rollouts.insert(name, whole);
    }
    report
}

fn rollout(
    input: &PlanningInput<'_>,
    plan: &Plan,
    progress: &RolloutProgress,
    chapter: &Chapter<'_>,
) -> RolloutReport {
    let name = chapter.rollout.name();
    let before = input.previous.and_then(|p| p.rollouts.get(name));
    let before = before.map_or(&[][..], |r| r.waiting.as_slice());
    let mut count = Count::default();
    for node in progress.nodes.values() {
        count.add(node.state);
    }
    let mut reasons = chapter.found.hold.clone();
    reasons.extend(chapter.outlook.deadline.clone());
    RolloutReport {
        state: state(plan, progress, chapter, &count),
        wave: progress.wave,
        count,
        waiting: reasons
            .into_iter()
            .map(|on| aged(on, before, input.now))
            .collect(),
        forecast: chapter.outlook.forecast.clone(),
    }
}

fn state(
    plan: &Plan,
    progress: &RolloutProgress,
    chapter: &Chapter<'_>,
    count: &Count,
) -> RolloutState {
    let own = plan.content().slots.values();
    let own: Vec<_> = own
        .filter(|s| s.rollout == *chapter.rollout.name())
        .collect();
    let halted = |on: &WaitingOn| {
        matches!(
            on,
            WaitingOn::KeptSlot { .. } | WaitingOn::FailureThreshold { .. }
        )
    };
    match chapter.rollout.control.wish {
        Wish::Cancel { .. } if own.is_empty() => RolloutState::Cancelled,
        Wish::Cancel { .. } => RolloutState::Cancelling,
        _ if own.is_empty() && progress.nodes.values().all(|n| n.state.is_settled()) => {
            RolloutState::Finished
        }
        Wish::Pause { .. } => RolloutState::Paused,
        Wish::Run if chapter.found.hold.iter().any(halted) => RolloutState::Halted,
        Wish::Run if count.in_slot > 0 => RolloutState::Running,
        Wish::Run => RolloutState::Waiting,
    }
}

fn nodes(
    input: &PlanningInput<'_>,
    reports: &mut BTreeMap<NodeId, NodeReport>,
    progress: &RolloutProgress,
    mut chapter: Chapter<'_>,
) {
    let name = chapter.rollout.name();
    for (id, node) in &progress.nodes {
        let reasons = chapter.found.nodes.remove(id).unwrap_or_default();
        let before = before(input, *id, name);
        let part = NodePart {
            state: node.state,
            wave: node.wave,
            waiting: reasons
                .into_iter()
                .map(|on| aged(on, before, input.now))
                .collect(),
            expected: chapter.outlook.starts.get(id).copied(),
        };
        let report = reports.entry(*id).or_insert_with(|| NodeReport {
            name: input.inventory.name(*id),
            parts: BTreeMap::new(),
        });
        report.parts.insert(name.clone(), part);
    }
}

fn before<'a>(input: &PlanningInput<'a>, id: NodeId, rollout: &RolloutName) -> &'a [Waiting] {
    let node = input.previous.and_then(|p| p.nodes.get(&id));
    let part = node.and_then(|n| n.parts.get(rollout));
    part.map_or(&[], |p| p.waiting.as_slice())
}

/// A reason that was there before keeps its age.
fn aged(on: WaitingOn, before: &[Waiting], now: Timestamp) -> Waiting {
    let same = before.iter().find(|w| same_reason(&w.on, &on));
    let expected = match &on {
        WaitingOn::Window { next } => *next,
        WaitingOn::Freeze { until, .. } => *until,
        WaitingOn::CanarySoak { until } | WaitingOn::Soak { until, .. } => Some(*until),
        _ => None,
    };
    Waiting {
        since: same.map_or(now, |w| w.since.min(now)),
        on,
        expected,
    }
}

/// Keys are texts; the variant is compared first because that is cheap.
fn same_reason(a: &WaitingOn, b: &WaitingOn) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b) && (a == b || a.key() == b.key())
}
